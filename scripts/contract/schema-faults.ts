import { isDeepStrictEqual } from 'node:util';
import type { MaybeSchema, Schema } from './document.ts';

export type Direction = 'request' | 'response';

/** Whatever fits the narrow schema has to fit the wide one, or somebody is in for a surprise. */
interface Comparison {
  readonly direction: Direction;
  /** Pairs that are being compared, narrow and wide in turn: a schema that has itself inside ends there. */
  readonly within: readonly MaybeSchema[];
}

const ANNOTATION = /^(?:x-.*|\$comment|default|deprecated|description|examples?|readOnly|title|writeOnly)$/;
const UPPER_BOUNDS = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'];
const LOWER_BOUNDS = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'];
/** Any other keyword may go, but not come or change: what that would mean is not known here. */
const UNDERSTOOD = new Set([
  ...UPPER_BOUNDS,
  ...LOWER_BOUNDS,
  'additionalProperties',
  'const',
  'enum',
  'items',
  'properties',
  'required',
  'type',
]);

/**
 * What breaks clients when a schema changes: a request that was accepted and is not any more, or an answer that could not
 * be and now can. New fields of answers are no fault: clients have to ignore what they do not know.
 *
 * @returns a sentence for each fault, which begins with the JSON pointer of its place
 */
export function schemaFaults(direction: Direction, before: MaybeSchema, after: MaybeSchema): string[] {
  const [narrow, wide] = direction === 'request' ? [before, after] : [after, before];
  return compare({ direction, within: [] }, narrow, wide, '');
}

function compare(outer: Comparison, narrow: MaybeSchema, wide: MaybeSchema, at: string): string[] {
  const { within } = outer;
  if (within.some((one, index) => index % 2 === 0 && one === narrow && within[index + 1] === wide)) return [];
  const on = { ...outer, within: [...within, narrow, wide] };
  const allowed = alternatives(wide);
  return alternatives(narrow).flatMap((one) => {
    const faults = allowed.map((other) => faultsOfOne(on, one, other, at));
    if (faults.some(({ length }) => length === 0)) return [];
    const alike = allowed.findIndex(({ type }) => type === one.type);
    return faults[Math.max(alike, 0)] ?? [];
  });
}

/** A schema for each type or choice; one that mixes choices with other keywords stays as it is. */
function alternatives(schema: MaybeSchema): Schema[] {
  if (schema === false) return [{ not: {} }];
  if (schema === true || schema === undefined) return [{}];
  const { anyOf, oneOf, type } = schema;
  const choices = anyOf ?? oneOf;
  const keywords = Object.keys(schema).filter((keyword) => !ANNOTATION.test(keyword));
  if (choices && keywords.length === 1) return choices.flatMap(alternatives);
  const whole = Object.hasOwn(schema, 'const') ? { ...schema, enum: [schema.const] } : schema;
  return Array.isArray(type)
    ? (type as string[]).map((one) => Object.assign({}, whole, { type: one }))
    : [whole];
}

function faultsOfOne(on: Comparison, narrow: Schema, wide: Schema, at: string): string[] {
  const ofType = typeFaults(on, narrow, wide);
  const ofValue = [...enumFaults(on, narrow, wide), ...boundFaults(on, narrow, wide)];
  const here = ofType.length > 0 ? ofType : [...ofValue, ...otherFaults(on, narrow, wide)];
  return [
    ...here.map((fault) => `${at || '/'} ${fault}`),
    ...(ofType.length > 0 ? [] : [...fieldFaults(on, narrow, wide, at), ...itemFaults(on, narrow, wide, at)]),
  ];
}

function typeFaults(
  on: Comparison,
  { type: narrow, enum: values }: Schema,
  { type: wide }: Schema,
): string[] {
  if (wide === undefined || narrow === wide || (narrow === 'integer' && wide === 'number')) return [];
  if (narrow === undefined && values) return [];
  const type = narrow === undefined ? 'any type' : `the type ${narrow as string}`;
  return [on.direction === 'request' ? `does not accept ${type} any more` : `can be of ${type} now`];
}

function enumFaults(on: Comparison, { enum: narrow }: Schema, wide: Schema): string[] {
  if (!wide.enum || (on.direction === 'response' && wide['x-extensible'] === true)) return [];
  if (!narrow) return [changed(on, 'enum', undefined, wide.enum)];
  return narrow
    .filter((value) => !wide.enum?.some((one) => isDeepStrictEqual(one, value)))
    .map((value) => JSON.stringify(value))
    .map((value) =>
      on.direction === 'request' ? `does not accept ${value} any more` : `can be ${value} now`,
    );
}

function boundFaults(on: Comparison, narrow: Schema, wide: Schema): string[] {
  const isTighter = (keyword: string, sign: 1 | -1): boolean => {
    const [reached, bound] = [narrow[keyword], wide[keyword]];
    return bound !== undefined && (reached === undefined || sign * Number(reached) > sign * Number(bound));
  };
  return [
    ...UPPER_BOUNDS.filter((keyword) => isTighter(keyword, 1)),
    ...LOWER_BOUNDS.filter((keyword) => isTighter(keyword, -1)),
  ].map((keyword) => changed(on, keyword, narrow[keyword], wide[keyword]));
}

function otherFaults(on: Comparison, narrow: Schema, wide: Schema): string[] {
  const keywords = Object.keys(wide).filter((one) => !UNDERSTOOD.has(one) && !ANNOTATION.test(one));
  if (on.direction === 'request') keywords.push('default');
  return keywords
    .filter((keyword) => !isDeepStrictEqual(narrow[keyword], wide[keyword]))
    .map((keyword) => changed(on, keyword, narrow[keyword], wide[keyword]));
}

function fieldFaults(on: Comparison, narrow: Schema, wide: Schema, at: string): string[] {
  const { properties: mine = {}, additionalProperties: others } = narrow;
  const { properties: theirs = {}, additionalProperties: otherTheirs, required = [] } = wide;
  const isRequest = on.direction === 'request';

  const faults = Object.keys({ ...mine, ...theirs }).flatMap((name) => {
    const place = `${at}/${name}`;
    if (Object.hasOwn(mine, name) && Object.hasOwn(theirs, name)) {
      return compare(on, mine[name], theirs[name], place);
    }
    if (Object.hasOwn(mine, name)) return isRequest ? [`${place} is not accepted any more`] : [];
    if (!isRequest) return [`${place} is gone`];
    return others === false ? [] : compare(on, others, theirs[name], place);
  });
  for (const name of required) {
    if (narrow.required?.includes(name)) continue;
    if (isRequest) faults.push(`${at}/${name} is required now`);
    else if (Object.hasOwn(mine, name)) faults.push(`${at}/${name} can be missing now`);
  }
  if (others === false || (otherTheirs === false && !isRequest)) return faults;
  if (otherTheirs === false) return [...faults, `${at || '/'} does not accept other fields any more`];
  return [...faults, ...compare(on, others, otherTheirs, `${at}/*`)];
}

const itemFaults = (on: Comparison, narrow: Schema, wide: Schema, at: string): string[] =>
  wide.items === undefined ? [] : compare(on, narrow.items, wide.items, `${at}/*`);

function changed({ direction }: Comparison, keyword: string, narrow: unknown, wide: unknown): string {
  const [before, after] = direction === 'request' ? [narrow, wide] : [wide, narrow];
  return `has another ${keyword}: ${JSON.stringify(before) ?? 'none'} became ${JSON.stringify(after) ?? 'none'}`;
}
