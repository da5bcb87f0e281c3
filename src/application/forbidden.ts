/** Against a rule, in whatever state everything else is: to ask again changes nothing. The message says what to do instead. */
export class Forbidden extends Error {
  override readonly name = 'Forbidden';
}
