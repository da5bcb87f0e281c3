import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { type LookupFunction, isIP } from 'node:net';
import { callbackify } from 'node:util';
import { PermanentFailure } from '#src/domain/jobs/failure.ts';
import { buildConnector } from 'undici';
import { isPermitted } from './address-guard.ts';

/** All addresses of a host name. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>;

export interface ConnectorOptions {
  readonly allowLoopback: boolean;
  /** From the look-up of the name to the end of the TLS handshake. */
  readonly connectTimeoutMs: number;
  readonly resolve: Resolve | undefined;
}

/** As the system resolves, /etc/hosts included. */
const resolveWithSystem: Resolve = async (hostname) => await lookup(hostname, { all: true });

/**
 * Opens sockets to permitted addresses only (SEC-15). The check is a part of the connection's own look-up: the socket
 * goes to the very addresses that were checked, so a second answer of the name server (DNS rebinding) is never asked
 * for. TLS still names and verifies the host.
 */
export function guardedConnector(options: ConnectorOptions): buildConnector.connector {
  const { connectTimeoutMs, resolve = resolveWithSystem } = options;

  /** One bad address among good ones is no accident: all are refused. */
  async function permittedAddresses(hostname: string): Promise<LookupAddress[]> {
    const addresses = await resolve(hostname);
    if (addresses.every(({ address }) => isPermitted(address, options))) return addresses;
    throw refusal(hostname);
  }

  const lookupPermitted = callbackify(permittedAddresses);
  const checkedLookup: LookupFunction = (hostname, _options, callback) => {
    lookupPermitted(hostname, callback);
  };
  const connect = buildConnector({
    lookup: checkedLookup,
    // Asks the look-up for all addresses, as it answers.
    autoSelectFamily: true,
    timeout: connectTimeoutMs,
    allowH2: false,
  });
  return (target, callback) => {
    // Node looks no address up, so one in the URL never reaches the look-up above.
    if (isIP(target.hostname) !== 0 && !isPermitted(target.hostname, options)) {
      process.nextTick(callback, refusal(target.hostname), null);
    } else connect(target, callback);
  };
}

/** Names what the client wrote, never what it resolved to: that may be inside. */
const refusal = (hostname: string): PermanentFailure =>
  new PermanentFailure(`Webhooks are delivered to public addresses only, and ${hostname} is not at one.`);
