import test from 'ava';
import { applicationProtocol } from './application-protocol.ts';

test('appProtocol counts, else the beginning of the name; others are not known', (t) => {
  const cases: readonly [Parameters<typeof applicationProtocol>[0], string][] = [
    [{}, 'unknown'],
    [{ name: 'http' }, 'http1'],
    [{ name: 'http-web' }, 'http1'],
    [{ name: 'httpx' }, 'unknown'],
    [{ name: 'HTTPS-web' }, 'tls'],
    [{ name: 'grpc-a', appProtocol: 'kubernetes.io/h2c' }, 'http2'],
    [{ name: 'http', appProtocol: 'redis' }, 'unknown'],
    [{ appProtocol: 'kubernetes.io/wss' }, 'tls'],
    [{ name: 'constructor' }, 'unknown'],
  ];
  for (const [port, expected] of cases) t.is(applicationProtocol(port), expected as never, JSON.stringify(port));
});
