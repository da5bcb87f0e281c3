import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** What the IANA has given out for the public Internet so far; ipaddr.js calls everything unknown "unicast" as well. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** RFC 6052: the last 32 bits are the IPv4 address that the translator will call. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
/** IPv4-compatible (RFC 4291, deprecated), which ipaddr.js would read as if it were mapped. */
const IPV4_COMPATIBLE = /^::\d+\./;
/** Public by its number, but in Azure every virtual machine reaches the host's metadata there. */
const AZURE_HOST = ipaddr.IPv4.parseCIDR('168.63.129.16/32');

/**
 * Whether a webhook may connect to an address (SEC-15): public unicast only. An IPv4 address inside an IPv6 one is
 * judged by itself when it is mapped or behind the well-known NAT64 prefix; other tunnels (6to4, Teredo, local NAT64) are
 * refused. Loopback is for development; nothing else that is private is ever allowed. All ports are: which one a public
 * receiver listens on is its own business.
 *
 * @param text an address as the resolver or the URL parser writes it, no brackets
 */
export function isPermitted(text: string, { allowLoopback }: { readonly allowLoopback: boolean }): boolean {
  if (!ipaddr.isValid(text) || IPV4_COMPATIBLE.test(text)) return false;
  const address = ipaddr.process(text);
  if (address.range() === 'loopback') return allowLoopback;
  return isPublic(address);
}

function isPublic(address: Address): boolean {
  if (address instanceof ipaddr.IPv4) return address.range() === 'unicast' && !address.match(AZURE_HOST);
  if (address.match(NAT64)) return isPublic(new ipaddr.IPv4(address.toByteArray().slice(-4)));
  return address.range() === 'unicast' && address.match(GLOBAL_UNICAST);
}
