import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const folder = resolve(import.meta.dirname, '../../../docs/security');
const page = readFileSync(join(folder, 'threat-model.md'), 'utf8');

/** `| T-EDGE-1 | S | threat | mitigation | what covers it |` */
const threats = [...page.matchAll(/^\| (T-[A-Z]+-\d+)\s*\|(.+)\|$/gm)].map(([, id = '', rest = '']) => {
  const [stride = '', threat = '', mitigation = '', covered = ''] = rest
    .split(' | ')
    .map((cell) => cell.trim());
  const checks = [...covered.matchAll(/\[(`+) ?(.+?) ?\1\]\((.+?)\)/g)].map(
    ([, , title = '', file = '']) => ({
      title,
      file,
    }),
  );
  return { id, stride, threat, mitigation, covered, checks };
});

const ELEMENTS = [...page.matchAll(/^### (.+) \(`T-([A-Z]+)`\)$/gm)].map(([, , prefix = '']) => prefix);

/** A test has the title as a whole, a part of the gate is named by its path. */
const exists = ({ title, file }: { title: string; file: string }): boolean => {
  const path = join(folder, file);
  if (!existsSync(path)) return false;
  if (!path.endsWith('.test.ts')) return path.endsWith(`/${title}`);
  const text = readFileSync(path, 'utf8');
  return ["'", '"', '`'].some(
    (quote) => text.includes(`(${quote}${title}${quote},`) || text.includes(`  ${quote}${title}${quote},`),
  );
};

describe('[SEC-17] the threat model', () => {
  it('has threats for every element, numbered without a gap', () => {
    expect(ELEMENTS.length).toBeGreaterThan(12);
    expect([...new Set(threats.map(({ id }) => id.split('-')[1]))]).toEqual(ELEMENTS);
    const numbers = Map.groupBy(threats, ({ id }) => id.slice(0, id.lastIndexOf('-')));
    for (const [prefix, members] of numbers) {
      expect(members.map(({ id }) => id)).toEqual(members.map((_, index) => `${prefix}-${index + 1}`));
    }
  });

  it('looks at every kind of threat', () => {
    expect(new Set(threats.map(({ stride }) => stride))).toEqual(new Set('STRIDE'));
  });

  it.each(threats)(
    '$id has a mitigation, and a test or a reason to accept it',
    ({ mitigation, covered, checks }) => {
      expect(mitigation.length).toBeGreaterThan(10);
      const isAccepted = /^Accepted: .{30,}\.$/.test(covered);
      expect(checks.length > 0 || isAccepted).toBe(true);
    },
  );

  it.each(threats.flatMap(({ id, checks }) => checks.map((check) => ({ id, ...check }))))(
    '$id names what there is: $title',
    (check) => {
      expect(exists(check)).toBe(true);
    },
  );
});
