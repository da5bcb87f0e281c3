import {
  LARGEST_PAYLOAD_BYTES,
  WAITING_BYTES,
  createClaimBudget,
} from '#src/adapters/inbound/worker/claim-budget.ts';
import { CLAIM_LIMIT, PREFETCH_LIMIT } from '#src/adapters/inbound/worker/prefetch.ts';
import type { ClaimedJob, JsonValue } from '#src/domain/jobs/job.ts';
import { expect, it } from 'vitest';

const withPayload = (payload: JsonValue): ClaimedJob => ({
  id: '0190d6f8-0000-7000-8000-000000000001',
  type: 'test',
  payload,
  attempt: 1,
  maxAttempts: 3,
  leaseToken: '1',
  priority: 0,
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  organizationId: null,
  options: null,
});
const SMALL = withPayload({ n: 1 });
const LARGE = withPayload({ list: ['x'.repeat(LARGEST_PAYLOAD_BYTES)] });

it('expects the largest payloads until it has seen some', () => {
  expect(createClaimBudget().jobs() * LARGEST_PAYLOAD_BYTES).toBe(WAITING_BYTES);
});

it('allows full claims of small payloads after a few of them', () => {
  const budget = createClaimBudget();
  for (let n = 0; n < 6; n += 1) budget.note([SMALL]);
  expect(budget.jobs()).toBe(PREFETCH_LIMIT);
});

it('allows small claims only as soon as one payload was large, and for the next ones too', () => {
  const budget = createClaimBudget();
  for (let n = 0; n < 20; n += 1) budget.note([SMALL]);
  budget.note([SMALL, LARGE, SMALL]);
  expect(budget.jobs() * LARGEST_PAYLOAD_BYTES).toBeLessThanOrEqual(WAITING_BYTES);
  budget.note([SMALL]);
  expect(budget.jobs()).toBeLessThan(CLAIM_LIMIT / 3);
});

it('always allows one job, however large they are', () => {
  const budget = createClaimBudget();
  budget.note([withPayload('x'.repeat(2 * WAITING_BYTES))]);
  expect(budget.jobs()).toBe(1);
});
