import { describe, expect, it } from 'vitest';
import { CLOSE, attackedService, expectProblem, statusesOf } from '#test/support/attacked-service.ts';
import { webhookTo } from '#test/support/jobs.ts';

const { send, get, post, jobs, client } = await attackedService();

const JOB = JSON.stringify(webhookTo('https://example.com/hook'));
const LENGTH = JOB.length;
const SIZE = LENGTH.toString(16);
const CHUNKS = `${SIZE}\r\n${JOB}\r\n0\r\n\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
/** What a smuggler hides behind a message; whoever reads it as a request answers 404. */
const SMUGGLED = get('/smuggled');

describe('[SEC-13] [API-3] a message whose end is not clear is refused, and nothing behind it is read', () => {
  it.for([
    ['a length and chunks', post(`Content-Length: 5\r\n${CHUNKED}`, `0\r\n\r\n${SMUGGLED}`)],
    ['chunks and a length', post(`${CHUNKED}Content-Length: 4\r\n`, `${CHUNKS}${SMUGGLED}`)],
    ['two lengths', post(`Content-Length: ${LENGTH}\r\nContent-Length: 0\r\n`, `${JOB}${SMUGGLED}`)],
    ['the same length twice', post(`Content-Length: ${LENGTH}\r\n`.repeat(2), `${JOB}${SMUGGLED}`)],
    ['a list of lengths', post(`Content-Length: ${LENGTH}, ${LENGTH}\r\n`, `${JOB}${SMUGGLED}`)],
    ['a negative length', post('Content-Length: -1\r\n', `${JOB}${SMUGGLED}`)],
    ['a signed length', post(`Content-Length: +${LENGTH}\r\n`, `${JOB}${SMUGGLED}`)],
    ['a hexadecimal length', post('Content-Length: 0x10\r\n', `${JOB}${SMUGGLED}`)],
    ['a length with an exponent', post('Content-Length: 1e1\r\n', `${JOB}${SMUGGLED}`)],
    ['a length beyond 64 bits', post('Content-Length: 18446744073709551617\r\n', `${JOB}${SMUGGLED}`)],
    ['no length', post('Content-Length: \r\n', `${JOB}${SMUGGLED}`)],
    ['an unknown coding', post('Transfer-Encoding: xchunked\r\n', `${CHUNKS}${SMUGGLED}`)],
    [
      'chunks that are not the last coding',
      post('Transfer-Encoding: chunked, identity\r\n', `${CHUNKS}${SMUGGLED}`),
    ],
    ['chunks in chunks', post('Transfer-Encoding: chunked, chunked\r\n', `${CHUNKS}${SMUGGLED}`)],
    ['a second coding', post(`${CHUNKED}Transfer-Encoding: x\r\n`, `${CHUNKS}${SMUGGLED}`)],
    ['a quoted coding', post('Transfer-Encoding: "chunked"\r\n', `${CHUNKS}${SMUGGLED}`)],
    ['a coding behind a vertical tab', post('Transfer-Encoding: \vchunked\r\n', `${CHUNKS}${SMUGGLED}`)],
    ['an empty coding', post('Transfer-Encoding: \r\n', `${CHUNKS}${SMUGGLED}`)],
    ['a space before the colon', post('Transfer-Encoding : chunked\r\n', `${CHUNKS}${SMUGGLED}`)],
    ['a folded header', post('Transfer-Encoding:\r\n chunked\r\n', `${CHUNKS}${SMUGGLED}`)],
    ['lines without CR', get('/v1/workers').replaceAll('\r', '')],
    ['one line without CR', get('/v1/workers', 'X: y\n')],
    ['a lone CR in a header', get('/v1/workers', 'X: y\rTransfer-Encoding: chunked\r\n')],
    ['a negative chunk', post(CHUNKED, `-1\r\n${JOB}\r\n0\r\n\r\n${SMUGGLED}`)],
    ['a huge chunk', post(CHUNKED, `FFFFFFFFFFFFFFFFF\r\n${JOB}\r\n0\r\n\r\n${SMUGGLED}`)],
    ['a chunk with a prefix', post(CHUNKED, `0x${SIZE}\r\n${JOB}\r\n0\r\n\r\n${SMUGGLED}`)],
    ['a chunk with a space', post(CHUNKED, ` ${SIZE}\r\n${JOB}\r\n0\r\n\r\n${SMUGGLED}`)],
    ['a chunk that does not end', post(CHUNKED, `${SIZE}\r\n${JOB}0\r\n\r\n${SMUGGLED}`)],
    ['an extension of a chunk without CR', post(CHUNKED, `${SIZE};\n${JOB}\r\n0\r\n\r\n${SMUGGLED}`)],
    ['a NUL in a header', get('/v1/workers', 'X: a\0b\r\n')],
    ['a NUL in the path', get('/v1/\0workers')],
    ['a space in the path', get('/v1/ workers')],
    ['a method in lower case', get('/v1/workers').replace('GET', 'get')],
    ['a greeting of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a request of RTSP', get('/v1/workers').replace('GET', 'DESCRIBE').replace('HTTP/1.1', 'RTSP/1.0')],
    ['a version to come', get('/v1/workers').replace('HTTP/1.1', 'HTTP/1.2')],
  ] as const)('%s', async ([, bytes]) => {
    const before = await jobs();
    const { answers, ended } = await send(bytes);
    expect(answers).toHaveLength(1);
    expectProblem(answers[0], 400, 'request_malformed');
    expect(ended).toBe(true);
    expect(await jobs()).toBe(before);
  });
});

describe('[SEC-13] [API-3] a host that is not clear is refused', () => {
  const key = `Authorization: Bearer ${client.key}\r\n${CLOSE}`;
  it.for([
    ['two hosts', get('/v1/workers', `Host: evil.test\r\n${CLOSE}`)],
    ['the same host twice', get('/v1/workers', `host: localhost\r\n${CLOSE}`)],
    ['no host', `GET /v1/workers HTTP/1.1\r\n${key}\r\n`],
    ['no host, of a probe', `GET /health HTTP/1.1\r\n${CLOSE}\r\n`],
    ['HTTP/0.9', 'GET /health\r\n\r\n'],
  ] as const)('%s', async ([, bytes]) => {
    const { answers } = await send(bytes);
    expect(answers).toHaveLength(1);
    expectProblem(answers[0], 400, 'request_malformed');
  });

  it('[SEC-9] but HTTP/1.0 may go without one, and another host’s name changes nothing', async () => {
    expect(statusesOf(await send(`GET /v1/workers HTTP/1.0\r\n${key}\r\n`))).toEqual([200]);
    expect(statusesOf(await send(get('http://evil.test/v1/workers')))).toEqual([200]);
  });
});

describe('[SEC-13] a message whose end is clear is read to there, and what follows is the next request', () => {
  it.for([
    ['a length', post(`Content-Length: ${LENGTH}\r\n`, JOB)],
    ['chunks', post(CHUNKED, CHUNKS)],
    ['chunks in another case', post('transfer-encoding: Chunked\r\n', CHUNKS)],
    ['an extension of a chunk', post(CHUNKED, `${SIZE};a=b\r\n${JOB}\r\n0\r\n\r\n`)],
    ['a trailer', post(CHUNKED, `${SIZE}\r\n${JOB}\r\n0\r\nAuthorization: Bearer x\r\n\r\n`)],
    ['an expectation', post(`Expect: the-unexpected\r\nContent-Length: ${LENGTH}\r\n`, JOB)],
  ] as const)('%s', async ([, bytes]) => {
    const { answers } = await send(`${bytes}${get('/v1/workers')}`);
    expect(answers.map(({ status }) => status)).toEqual([201, 200]);
  });

  it('a body that no operation reads is not taken for a request', async () => {
    const hidden = get('/v1/workers', `Content-Length: ${SMUGGLED.length}\r\n`) + SMUGGLED;
    expect(statusesOf(await send(`${hidden}${get('/health')}`))).toEqual([200, 200]);
  });

  it.for(['h2c', 'websocket', 'TLS/1.3, h2c'])('an upgrade to %s is ignored', async (protocol) => {
    const upgrade = `Connection: upgrade, close\r\nUpgrade: ${protocol}\r\n`;
    expect(statusesOf(await send(get('/v1/workers', upgrade)))).toEqual([200]);
    expect(statusesOf(await send(post(`${upgrade}Content-Length: ${LENGTH}\r\n`, JOB)))).toEqual([201]);
  });

  it('an expectation is answered before the body is sent', async () => {
    const { text } = await send([
      post(`Expect: 100-continue\r\nContent-Length: ${LENGTH}\r\n${CLOSE}`, ''),
      JOB,
    ]);
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
  });

  it('a hundred requests at once are answered in order', async () => {
    const all = Array.from({ length: 100 }, (_, n) => get(n % 2 === 0 ? '/health' : '/nowhere', '')).join('');
    const { answers } = await send(`${all}${get('/v1/workers')}`);
    const expected = Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? 200 : 404));
    expect(answers.map(({ status }) => status)).toEqual([...expected, 200]);
  });

  it('[API-3] a request is answered by itself when nonsense follows, not by the refusal of that', async () => {
    const before = await jobs();
    const { answers, ended } = await send(`${post(`Content-Length: ${LENGTH}\r\n`, JOB)}nonsense\r\n\r\n`);
    expect([answers.map(({ status }) => status), ended]).toEqual([[201], true]);
    expect(await jobs()).toBe(before + 1);
  });
});
