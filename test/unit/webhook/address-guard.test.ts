import { isPermitted } from '#src/adapters/outbound/webhook/address-guard.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const inProduction = { allowLoopback: false };
const inDevelopment = { allowLoopback: true };

const LOOPBACK = ['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'];

const PRIVATE = [
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::127.0.0.1',
  '::8.8.8.8',
  '::a00:1',
  '::ffff:10.0.0.1',
  '::ffff:a9fe:a9fe',
  '::ffff:0:10.0.0.1',
  '64:ff9b::10.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b::a83f:8110',
  '64:ff9b:1::8.8.8.8',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '2002:808:808::',
  '3fff::1',
  '4000::1',
  '5f00::1',
  'fc00::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
];

const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '93.184.215.14',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
  '2606:4700::1111',
];

describe('[SEC-15] the address guard', () => {
  it.each(PUBLIC)('permits %s', (address) => {
    expect(isPermitted(address, inProduction)).toBe(true);
  });

  it.each(PRIVATE)('refuses %s everywhere', (address) => {
    expect(isPermitted(address, inProduction)).toBe(false);
    expect(isPermitted(address, inDevelopment)).toBe(false);
  });

  it.each(LOOPBACK)('permits %s in development only', (address) => {
    expect(isPermitted(address, inProduction)).toBe(false);
    expect(isPermitted(address, inDevelopment)).toBe(true);
  });

  it.each(['', 'localhost', '1.2.3.4.5', '[::1]', 'fe80::1%'])('refuses %j, which is no address', (text) => {
    expect(isPermitted(text, inDevelopment)).toBe(false);
  });

  it('judges an IPv4 address the same in whatever it is wrapped', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const permitted = isPermitted(address, inProduction);
        expect(isPermitted(`::ffff:${address}`, inProduction)).toBe(permitted);
        expect(isPermitted(`64:ff9b::${address}`, inProduction)).toBe(permitted);
      }),
      { numRuns: 500 },
    );
  });
});
