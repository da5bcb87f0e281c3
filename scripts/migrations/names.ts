/** `20261121090000_access`: the time is one that there is. */
export function isNamedAfterATime(name: string): boolean {
  const iso = name.slice(0, 14).replace(/(....)(..)(..)(..)(..)(..)/, '$1-$2-$3T$4:$5:$6Z');
  const time = new Date(iso);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(iso.slice(0, 19));
}
