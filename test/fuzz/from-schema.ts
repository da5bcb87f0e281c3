import type { JsonSchema } from '#test/support/contract.ts';
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';

/** The longest that a generated array or text is: most faults show in short ones, which are faster. */
const LONGEST = 4;
const YEAR_MS = 31_536_000_000;

const FORMATS: Readonly<Record<string, Arbitrary<unknown>>> = {
  uuid: fc.uuid(),
  uri: fc.webUrl({ validSchemes: ['http', 'https'] }),
  'date-time': fc
    .date({ min: new Date(0), max: new Date(Date.now() + YEAR_MS), noInvalidDate: true })
    .map((date) => date.toISOString()),
};

/** Values that the schema accepts, as far as it says so itself. Of a recursive schema: any JSON. */
export function fromSchema(schema: JsonSchema): Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const { minimum: min = -1000, maximum: max = 1000, minItems = 0, maxItems = LONGEST } = schema;
  switch (schema.type) {
    case 'string':
      return texts(schema);
    case 'integer':
      return fc.integer({ min, max });
    case 'number':
      return fc.double({ min, max, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(fromSchema(schema.items ?? {}), {
        minLength: minItems,
        maxLength: Math.max(minItems, Math.min(maxItems, LONGEST)),
      });
    case 'object':
      return objects(schema);
    case undefined:
    default:
      return fc.jsonValue({ maxDepth: 3 });
  }
}

function texts({ format, pattern, minLength = 0, maxLength = Infinity }: JsonSchema): Arbitrary<unknown> {
  const known = format === undefined ? undefined : FORMATS[format];
  if (known) return known;
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u'), { size: 'small' });
  return fc.oneof(
    fc.string({ minLength, maxLength: Math.min(maxLength, minLength + LONGEST) }),
    fc.string({ minLength, maxLength: Math.min(maxLength, 50), unit: 'grapheme' }),
  );
}

function objects({ properties, required, propertyNames, additionalProperties }: JsonSchema) {
  if (properties) {
    const members = Object.entries(properties).map(([name, schema]) => [name, fromSchema(schema)] as const);
    return fc.record(Object.fromEntries(members), { requiredKeys: [...(required ?? [])] });
  }
  const values = typeof additionalProperties === 'object' ? fromSchema(additionalProperties) : fc.jsonValue();
  const names = fromSchema(propertyNames ?? { type: 'string' }).map(String);
  return fc.dictionary(names, values, { maxKeys: LONGEST });
}
