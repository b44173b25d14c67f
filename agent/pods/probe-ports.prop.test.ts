import test from 'ava';
import fc from 'fast-check';
import { MAX_PROBE_PORTS, probePorts } from './probe-ports.ts';

const port = fc.integer({ min: 1, max: 0xffff });
/** A field as it should be, or anything in its place. */
const or = (wanted: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => fc.oneof({ weight: 3, arbitrary: wanted }, fc.jsonValue());
const name = fc.constantFrom('http', 'admin', 'grpc', '8080');
const action = or(fc.record({ port: or(fc.oneof(port, name)), host: or(fc.constantFrom('', '127.0.0.1')) }, { requiredKeys: [] }));
const handler = or(fc.record({ httpGet: action, tcpSocket: action, grpc: action, exec: fc.constant({}) }, { requiredKeys: [] }));
const container = or(fc.record({ ports: or(fc.array(or(fc.record({ name: or(name), containerPort: or(port) })))), startupProbe: handler, livenessProbe: handler, readinessProbe: handler, lifecycle: or(fc.record({ postStart: handler, preStop: handler }, { requiredKeys: [] })) }, { requiredKeys: [] }));
const spec = or(fc.record({ containers: or(fc.array(container)), initContainers: or(fc.array(container)) }, { requiredKeys: [] }));

test('whatever a specification is, ports are ports, each once, and not too many', (t) => {
  fc.assert(
    fc.property(spec, (value) => {
      const ports = probePorts(value);
      t.true(ports.every((each) => Number.isInteger(each) && each > 0 && each <= 0xffff));
      t.deepEqual(ports, [...new Set(ports)].sort((a, b) => a - b));
      t.true(ports.length <= MAX_PROBE_PORTS);
    }),
  );
});

test('ports of all probes and hooks of all containers count', (t) => {
  const get = (at: number | string, host?: string): object => ({ httpGet: { port: at, path: '/', ...(host === undefined ? {} : { host }) } });
  t.deepEqual(
    probePorts({
      containers: [
        { ports: [{ name: 'http', containerPort: 8080 }], readinessProbe: get('http'), livenessProbe: { tcpSocket: { port: 8081 } }, startupProbe: { grpc: { port: 8082, service: 'health' } }, lifecycle: { postStart: get(8083), preStop: { tcpSocket: { port: '8084' } } } },
        // A name is one of the same container.
        { readinessProbe: get('http'), livenessProbe: { exec: { command: ['true'] } } },
      ],
      initContainers: [{ restartPolicy: 'Always', startupProbe: get(8085, '') }],
      ephemeralContainers: [{ readinessProbe: get(8086) }],
    }),
    [8080, 8081, 8082, 8083, 8084, 8085],
  );
});

test('what is dialled elsewhere opens nothing here', (t) => {
  for (const host of ['127.0.0.1', '10.0.0.9', 'example.test']) t.deepEqual(probePorts({ containers: [{ readinessProbe: { httpGet: { port: 80, host } }, livenessProbe: { tcpSocket: { port: 81, host } } }] }), [], host);
});
