// express-openapi-validator between a client and a service: what does not fit the document, either way, is a 500.
//   node proxy.mjs DOCUMENT UPSTREAM PORT
import express from 'express'
import { middleware } from 'express-openapi-validator'

const [, , apiSpec, upstream, port] = process.argv
const app = express()
app.use(express.json())
app.use((request, _, next) => {
  // An absent body is none; express' own parser leaves it undefined, too.
  if (request.headers['content-length'] === '0') delete request.body
  next()
})
app.use(middleware({ apiSpec, validateRequests: true, validateResponses: true, validateSecurity: false }))
app.use(async (request, response, next) => {
  const options = { method: request.method, headers: { 'content-type': 'application/json' } }
  if (request.body !== undefined && request.method !== 'GET') options.body = JSON.stringify(request.body)
  try {
    const answer = await fetch(upstream + request.originalUrl, options)
    const text = await answer.text()
    response.status(answer.status)
    if (answer.headers.get('retry-after')) response.set('Retry-After', answer.headers.get('retry-after'))
    if (text) response.json(JSON.parse(text))
    else response.end()
  } catch (problem) {
    next(problem)
  }
})
app.use((problem, _request, response, _next) => {
  if (response.headersSent) return
  response.status(problem.status ?? 500).type('application/json')
  response.end(JSON.stringify({ error: String(problem.message), code: 'validator', errors: problem.errors }))
})
app.listen(Number(port), '127.0.0.1')
