// ajv compiles every schema of a document, and is shown every amount in cents up to 200.00 where one is asked for.
//   node amounts.mjs DOCUMENT
import { readFileSync } from 'node:fs'
import Ajv from 'ajv'
import addFormats from 'ajv-formats'
import { parse } from 'yaml'

const document = parse(readFileSync(process.argv[2], 'utf-8'))
const ajv = new Ajv({ strict: false, allErrors: true })
addFormats(ajv)
ajv.addSchema(document, 'document')
const schemas = Object.entries(document.components.schemas)
let amounts = 0
const refused = []
for (const [name] of schemas) ajv.compile({ $ref: `document#/components/schemas/${name}` })
for (const [name, schema] of schemas) {
  for (const field of ['amount', 'price']) {
    if (!name.endsWith('Request') || schema.properties?.[field] === undefined) continue
    const check = ajv.compile({ $ref: `document#/components/schemas/${name}/properties/${field}` })
    for (let cents = 1; cents <= 20000; cents += 1) {
      amounts += 1
      if (!check(cents / 100) || !check((cents / 100).toFixed(2))) refused.push(`${name}.${field} ${cents / 100}`)
    }
  }
}
console.log(JSON.stringify({ schemas: schemas.length, amounts, refused }))
