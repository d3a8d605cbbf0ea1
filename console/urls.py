"""Every route of the console."""

from django.urls import path, re_path

from console.pages.views import actions, control, orders, payments, problems, search, shop, signin

urlpatterns = [
    path("", shop.home),
    path("shop/", shop.catalogue, name="shop"),
    path("shop/stock/", shop.stock, name="stock"),
    path("shop/order/", shop.place, name="place"),
    path("shop/orders/<str:reference>/", shop.order, name="shop-order"),
    path("shop/orders/<str:reference>/live/", shop.order_live, name="shop-order-live"),
    path("shop/orders/<str:reference>/pay/", shop.pay, name="shop-pay"),
    path("control/", control.room, name="control"),
    path("control/live/", control.room_live, name="control-live"),
    path("control/invariants/", control.invariants, name="invariants"),
    path("orders/", orders.listing, name="orders"),
    path("orders/<str:reference>/", orders.story_page, name="story"),
    path("orders/<str:reference>/live/", orders.story_live, name="story-live"),
    path("payments/", payments.listing, name="payments"),
    path("payments.csv", payments.export, name="payments-csv"),
    path("payments/<str:payment_id>/", payments.payment_page, name="payment"),
    path("do/<slug:action>/<str:subject>/", actions.act, name="act"),
    path("search/", search.search, name="search"),
    path("login/", signin.sign_in, name="login"),
    path("logout/", signin.sign_out, name="logout"),
    re_path(r"^health(?:/live)?/?$", problems.health),
    re_path(r"", problems.unknown),
]

handler400 = problems.bad_request
handler403 = problems.bad_request
handler404 = problems.unknown
handler500 = problems.broken
