/** What the demo reads of a job; the whole is in the API's contract. */
export interface JobView {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
  readonly trace_id: string;
  readonly last_error: string | null;
}

/** The API as its clients see it. */
export const demoClient = (apiUrl: string, key: string) => {
  async function call(method: string, path: string, body?: unknown): Promise<JobView> {
    const response = await fetch(new URL(path, apiUrl), {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok)
      throw new Error(`${method} ${path} was answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as JobView;
  }
  return {
    queue: async (job: unknown) => await call('POST', '/v1/jobs', job),
    find: async (id: string) => await call('GET', `/v1/jobs/${id}`),
  };
};
