import { describe, expect, it } from 'vitest';
import { lintContract } from '../../../scripts/contract/lint.ts';
import { at } from './at.ts';
import { COMMITTED } from './document.ts';

/** Just the parts that are broken below. */
interface Breakable {
  paths: Record<string, Record<string, Record<string, unknown>>>;
  components: { schemas: Record<string, object> };
}
const QUEUE_JOB = '/paths/~1v1~1jobs/post';

it('[API-1] the linter finds no fault with the committed contract', async () => {
  expect(await lintContract(COMMITTED)).toEqual([]);
});

describe('[API-1] the linter refuses', () => {
  it.for<[string, (document: Breakable) => void, string]>([
    [
      'a body without an example',
      (document) => delete at(document, `${QUEUE_JOB}/requestBody/content/application~1json`)['example'],
      'rule/body-has-an-example',
    ],
    [
      'an answer without an example',
      (document) => delete at(document, `${QUEUE_JOB}/responses/201/content/application~1json`)['example'],
      'rule/body-has-an-example',
    ],
    [
      'a problem without an example',
      (document) =>
        delete at(document, '/components/responses/JobNotFound/content/application~1problem+json')[
          'examples'
        ],
      'rule/body-has-an-example',
    ],
    [
      'a parameter without an example',
      (document) => delete at(document, '/paths/~1v1~1jobs/get/parameters/0')['example'],
      'rule/parameter-has-an-example',
    ],
    [
      'an example that its schema does not allow',
      (document) => {
        at(document, `${QUEUE_JOB}/requestBody/content/application~1json/example`)['priority'] = 'high';
      },
      'no-invalid-media-type-examples',
    ],
    [
      'an example with a field that is not in its schema',
      (document) => {
        at(document, `${QUEUE_JOB}/responses/201/content/application~1json/example`)['colour'] = 'red';
      },
      'no-invalid-media-type-examples',
    ],
    [
      'a problem whose example is none',
      (document) => {
        const media = '/components/responses/JobNotFound/content/application~1problem+json';
        delete at(document, `${media}/examples/job_not_found/value`)['trace_id'];
      },
      'no-invalid-media-type-examples',
    ],
    ['no id', (document) => delete at(document, QUEUE_JOB)['operationId'], 'operation-operationId'],
    ['no summary', (document) => delete at(document, QUEUE_JOB)['summary'], 'operation-summary'],
    [
      'silence about keys',
      (document) => delete at(document, QUEUE_JOB)['security'],
      'rule/operation-states-its-security',
    ],
    ['a reference to nothing', (document) => delete document.components.schemas['Job'], 'no-unresolved-refs'],
    [
      'a deprecation without its end',
      (document) => {
        at(document, QUEUE_JOB)['deprecated'] = true;
      },
      'rule/deprecated-operation-has-a-sunset',
    ],
    [
      'a keyword that OpenAPI does not know',
      (document) => {
        at(document, QUEUE_JOB)['sumary'] = 'A typing error.';
      },
      'struct',
    ],
  ])('%s', async ([, sabotage, rule]) => {
    const document = JSON.parse(COMMITTED) as Breakable;
    sabotage(document);
    expect((await lintContract(JSON.stringify(document))).join('\n')).toContain(`(${rule})`);
  });
});
