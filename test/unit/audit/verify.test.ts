import { hash } from 'node:crypto';
import { expect, it } from 'vitest';
import { type Seal, type StoredEntry, textOfEntry, textOfSeal } from '#src/application/audit/chain.ts';
import { type AuditTrail, verifyAuditLog } from '#src/application/audit/verify.ts';

const sha256 = (text: string): string => hash('sha256', text);
const entry = (id: bigint): StoredEntry => ({ id, fields: [String(id), null, 'ü'] });

function sealOf(ids: readonly bigint[], previous: Seal | undefined): Seal {
  const open = {
    seq: (previous?.seq ?? 0n) + 1n,
    sealedAt: '0',
    ids,
    digests: ids.map((id) => sha256(textOfEntry(entry(id)))),
    previousHash: previous?.hash ?? null,
    hash: '',
  };
  return { ...open, hash: sha256(textOfSeal(open)) };
}

it('the text that is hashed says where a field begins: in bytes, and null is not empty', () => {
  expect(textOfEntry({ id: 1n, fields: ['1', null, '', 'ü€', '1:a'] })).toBe('1:1-0:5:ü€3:1:a');
});

it('[DATA-7] what is sealed while the log is verified is no fault', async () => {
  const first = sealOf([1n], undefined);
  const seals = [first];
  const trail: AuditTrail = {
    pruned: async () => await Promise.resolve(undefined),
    sealsAfter: async (seq) => await Promise.resolve(seals.filter((seal) => seal.seq > seq).slice(0, 1)),
    entries: async (ids) => await Promise.resolve(ids.map(entry)),
    async entriesAfter(id) {
      if (id >= 3n) return [];
      // Both are overdue when they are read; a sealer that was late has one of them a moment later.
      if (seals.length === 1) seals.push(sealOf([2n], first));
      return await Promise.resolve([1n, 2n, 3n].map((one) => ({ id: one, due: true })));
    },
  };
  expect(await verifyAuditLog({ trail, sha256 })).toMatchObject({
    seals: 2,
    entries: 2,
    faults: [{ kind: 'entry_unsealed', entries: [3n] }],
  });
});
