import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ApiKeyFormat } from '#src/application/access/ports.ts';

const PREFIX = 'dfk_';
const SECRET_BYTES = 32;
const PATTERN = /^dfk_([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/;

/**
 * `dfk_`, 43 characters of random, 6 of CRC-32: a scanner finds leaked keys, a typing error is found without a look-up. Of
 * the key only its hash is stored, SHA-256 in hex.
 */
export function newApiKey(): { key: string; hash: string } {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const key = `${PREFIX}${secret}${checksum(secret)}`;
  return { key, hash: sha256(key) };
}

export const apiKeyFormat: ApiKeyFormat = {
  isWellFormed(key) {
    const [, secret = '', sum] = PATTERN.exec(key) ?? [];
    return sum !== undefined && sum === checksum(secret);
  },
  hash: sha256,
};

function sha256(key: string): string {
  return hash('sha256', key, 'hex');
}

function checksum(secret: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(secret));
  return bytes.toString('base64url');
}
