import type { Finding } from '../finding.ts';
import { audited, none } from './audited.ts';

/** Files that are for secrets, whatever is in them. Their examples end otherwise. */
const FOR_SECRETS =
  /(?:^|\/)(?:\.env(?:\.(?!example$)[^/]+)?|\.pgpass|\.netrc|id_(?:rsa|ecdsa|ed25519))$|\.(?:pem|key|p12|pfx|jks)$/;

/**
 * What of the tree no test of the gate looks at.
 *
 * @param files that Git knows of; undefined where there is no checkout
 */
export const treeFindings = (files: readonly string[] | undefined): Finding[] => [
  files === undefined
    ? audited('tracked-secrets', 'SEC-1', 'ok', 'not looked at: this is no checkout; the gate looks in one')
    : none(
        'tracked-secrets',
        'SEC-1',
        files.filter((file) => FOR_SECRETS.test(file)),
        `none of ${files.length} tracked files is for secrets`,
        {
          explanation: 'What Git has, everybody with a clone has, also after it is deleted.',
          mend: 'git rm --cached FILE, a line in .gitignore, and a new secret',
        },
      ),
];
