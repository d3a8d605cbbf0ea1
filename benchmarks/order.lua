-- The order of the README's first example, for wrk.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"customer_name": "Alice", "product_ids": [1, 2]}'
