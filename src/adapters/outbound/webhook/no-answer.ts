/** The receiver could not be reached, or said nothing in time. Another attempt may find it well. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';

  constructor(host: string, cause: unknown) {
    super(`${host} gave no answer.`, { cause });
  }
}
