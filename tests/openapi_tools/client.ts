// A client of the kind that openapi-typescript makes types for; it must compile as strictly as tsc can, and run.
import createClient from 'openapi-fetch'
import type { paths as Orders } from './order_service'
import type { paths as Payments } from './payment_service'
import type { paths as Products } from './product_stub'

declare const process: { argv: string[]; exit(code: number): never }
const [, , ordersUrl, paymentsUrl, productsUrl] = process.argv
const orders = createClient<Orders>({ baseUrl: ordersUrl })
const payments = createClient<Payments>({ baseUrl: paymentsUrl })
const products = createClient<Products>({ baseUrl: productsUrl })

const placed = await orders.POST('/api/orders/', { body: { customer_name: 'Alice', product_ids: [1] } })
if (placed.data === undefined) throw new Error(JSON.stringify(placed.error))
const order = placed.data
const trail = await orders.GET('/api/orders/{reference}/events/', { params: { path: { reference: order.id } } })
const first: string | undefined = trail.data?.items[0]?.type
const refused = await orders.POST('/api/orders/', { body: { customer_name: 'Bob', product_ids: [99] } })
const reason: string | undefined = refused.error?.code
const payment = await payments.GET('/api/payments/{order_id}/', { params: { path: { order_id: order.id } } })
const amount: number | undefined = payment.data?.amount
const product = await products.GET('/api/products/{product_id}/', { params: { path: { product_id: 1 } } })
const price: number | undefined = product.data?.price
console.log(JSON.stringify({ status: order.status, first, reason, amount, price }))
