/**
 * What the doctor and the security audit find beside a release and that says nothing of it: the queues are frozen, and what clients do with
 * their keys and jobs must not keep anybody from a release.
 */
export const BESIDE_A_RELEASE = {
  doctor: ['audit-seal', 'database-size', 'dead-letters', 'frozen', 'key-expiry', 'oldest-job', 'workers'],
  securityAudit: ['key-unused'],
};
