import { hkdfSync } from 'node:crypto';

const SECRET_BYTES = 32;
/** Constants of the derivation: to change one is to change every receiver's secret. */
const SALT = 'standard-webhooks';
const INFO = 'signing-secret';

/**
 * The signing secret of an organisation in the format of the Standard Webhooks specification, `whsec_<base64>`.
 * Derived from the master secret (HKDF-SHA256, RFC 5869), so that nothing has to be stored or shared between workers,
 * and one organisation's secret says nothing of another's.
 *
 * @param organizationId null for jobs that were queued outside of any organisation
 */
export function signingSecret(master: string, organizationId: string | null): string {
  const key = hkdfSync('sha256', master, SALT, `${INFO}:${organizationId ?? ''}`, SECRET_BYTES);
  return `whsec_${Buffer.from(key).toString('base64')}`;
}
