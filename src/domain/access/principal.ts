/** Who asks: an API key of an organisation. */
export interface Principal {
  /** For trails and logs, never a secret: `api_key:<id>`. */
  readonly actor: string;
  readonly organizationId: string;
}
