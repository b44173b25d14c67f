import test from 'ava';
import type { HeaderField } from './hpack-static-table.ts';
import { isInterim, parseConnectRequest, parseResponseHead, trailersFault } from './http2-request.ts';

const CONNECT: readonly HeaderField[] = [[':method', 'CONNECT'], [':authority', '10.0.0.7:8080']];
const NOTHING = { baggage: undefined, forwarded: undefined, traceparent: undefined, xForwardedNetwork: undefined, xIstioSource: undefined };
const connect = (...more: readonly HeaderField[]) => parseConnectRequest([...CONNECT, ...more]);

test('a bare CONNECT is enough', (t) => {
  t.deepEqual(connect(), { ok: true, value: { authority: '10.0.0.7:8080', ...NOTHING } });
  t.true(parseConnectRequest([...CONNECT].reverse()).ok, 'pseudo header fields have no order');
});

test('the fields of HBONE are kept, others are not', (t) => {
  t.deepEqual(connect(['baggage', 'a=b'], ['forwarded', 'for="1.2.3.4:5"'], ['traceparent', '00-x'], ['x-forwarded-network', 'west'], ['x-istio-source', 'gateway'], ['user-agent', 'x'], ['te', 'trailers'], ['host', '10.0.0.7:8080']), {
    ok: true,
    value: { authority: '10.0.0.7:8080', baggage: 'a=b', forwarded: 'for="1.2.3.4:5"', traceparent: '00-x', xForwardedNetwork: 'west', xIstioSource: 'gateway' },
  });
});

test('a field that comes twice is one list', (t) => {
  const parsed = connect(['baggage', 'a=b'], ['x-istio-source', 'gateway'], ['baggage', 'c=d'], ['x-istio-source', 'gateway']);
  t.true(parsed.ok);
  if (parsed.ok) t.like(parsed.value, { baggage: 'a=b,c=d', xIstioSource: 'gateway,gateway' });
});

const malformed: readonly (readonly [what: string, fields: readonly HeaderField[], reason: RegExp])[] = [
  ['no field at all', [], /:method is missing/],
  ['no method', [[':authority', 'a:1']], /:method is missing/],
  ['an empty method', [[':method', ''], [':authority', 'a:1']], /:method is missing/],
  ['a method with a space', [[':method', 'GET /'], [':scheme', 'http'], [':path', '/']], /no token/],
  ['CONNECT without an authority', [[':method', 'CONNECT']], /without :authority/],
  ['CONNECT with an empty authority', [[':method', 'CONNECT'], [':authority', '']], /without :authority/],
  ['CONNECT with a scheme', [...CONNECT, [':scheme', 'https']], /with :scheme/],
  ['CONNECT with a path', [...CONNECT, [':path', '/']], /with :scheme or :path/],
  ['extended CONNECT, which was not announced', [...CONNECT, [':protocol', 'websocket']], /":protocol" does not belong/],
  ['two authorities', [...CONNECT, [':authority', '10.0.0.8:80']], /:authority is there twice/],
  ['two methods', [...CONNECT, [':method', 'CONNECT']], /:method is there twice/],
  ['a status', [...CONNECT, [':status', '200']], /":status" does not belong/],
  ['a colon alone', [...CONNECT, [':', '']], /":" does not belong/],
  ['an authority after another field', [[':method', 'CONNECT'], ['baggage', 'a=b'], [':authority', 'a:1']], /is not before/],
  ['a name in upper case', [...CONNECT, ['Baggage', 'a=b']], /"Baggage" is no name/],
  ['an empty name', [...CONNECT, ['', 'a']], /"" is no name/],
  ['a name with a colon', [...CONNECT, ['a:b', 'a']], /no name/],
  ['a name with a space', [...CONNECT, ['a b', 'a']], /no name/],
  ['a name outside ASCII', [...CONNECT, ['\u00e9', 'a']], /no name/],
  ['a line feed in a value', [...CONNECT, ['baggage', 'a\nb']], /value of "baggage"/],
  ['a carriage return in a value', [...CONNECT, ['x', '\r']], /value of "x"/],
  ['NUL in an authority', [[':method', 'CONNECT'], [':authority', 'a\0:1']], /value of ":authority"/],
  ['a value that begins with a space', [...CONNECT, ['x', ' a']], /value of "x"/],
  ['a value that ends with a tab', [...CONNECT, ['x', 'a\t']], /value of "x"/],
  ['connection', [...CONNECT, ['connection', 'close']], /connection is of HTTP/],
  ['proxy-connection', [...CONNECT, ['proxy-connection', 'x']], /is of HTTP/],
  ['keep-alive', [...CONNECT, ['keep-alive', '']], /is of HTTP/],
  ['transfer-encoding', [...CONNECT, ['transfer-encoding', 'chunked']], /is of HTTP/],
  ['upgrade', [...CONNECT, ['upgrade', 'h2c']], /is of HTTP/],
  ['te of something else', [...CONNECT, ['te', 'trailers, deflate']], /te is not trailers/],
  ['a host that is not the authority', [...CONNECT, ['host', '10.0.0.8:8080']], /host is not/],
  ['another method without a path', [[':method', 'GET'], [':scheme', 'http']], /:scheme or :path is missing/],
  ['another method with an empty path', [[':method', 'GET'], [':scheme', 'http'], [':path', '']], /:scheme or :path is missing/],
];
for (const [what, fields, reason] of malformed) {
  test(`malformed: ${what}`, (t) => {
    const parsed = parseConnectRequest(fields);
    if (parsed.ok || parsed.error.kind !== 'malformed') return t.fail(JSON.stringify(parsed));
    t.regex(parsed.error.reason, reason);
  });
}

test('a good request of another method is told apart', (t) => {
  t.deepEqual(parseConnectRequest([[':method', 'GET'], [':scheme', 'http'], [':path', '/healthz'], ['accept', '*/*']]), { ok: false, error: { kind: 'not-connect', method: 'GET' } });
  t.deepEqual(parseConnectRequest([[':method', 'connect'], [':scheme', 'http'], [':path', '/']]), { ok: false, error: { kind: 'not-connect', method: 'connect' } });
});

test('a response has a status, and may have baggage', (t) => {
  t.deepEqual(parseResponseHead([[':status', '200'], ['baggage', 'service.name=cart'], ['date', 'x']]), { ok: true, value: { status: 200, baggage: 'service.name=cart' } });
  t.deepEqual(parseResponseHead([[':status', '503']]), { ok: true, value: { status: 503, baggage: undefined } });
  for (const [status, expected] of [['100', true], ['103', true], ['200', false]] as const) {
    const parsed = parseResponseHead([[':status', status]]);
    t.true(parsed.ok && isInterim(parsed.value) === expected, status);
  }
});

test('responses that are malformed', (t) => {
  for (const fields of [[], [['baggage', 'a']], [[':status', '20']], [[':status', '2000']], [[':status', '2e2']], [[':status', '099']], [[':status', '101']], [[':status', '200'], [':status', '200']], [[':status', '200'], [':path', '/']], [['x', ''], [':status', '200']], [[':status', '200'], ['connection', 'close']]] as const) {
    t.false(parseResponseHead(fields as readonly HeaderField[]).ok, JSON.stringify(fields));
  }
});

test('trailers have no pseudo header fields', (t) => {
  t.is(trailersFault([['grpc-status', '0']]), undefined);
  t.is(trailersFault([]), undefined);
  t.regex(trailersFault([[':status', '200']])!, /does not belong/);
  t.regex(trailersFault([['upgrade', 'x']])!, /HTTP/);
});
