import { isIP } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { type BaggageLabels, formatBaggage, formatForwarded, formatTraceparent, parseBaggage, parseForwarded, parseTraceparent, type WorkloadKind } from './hbone-headers.ts';
import { parseConnectRequest } from './http2-request.ts';

const name = fc.oneof(fc.constant(''), fc.stringMatching(/^[a-zA-Z0-9]([-a-zA-Z0-9._/=]{0,60}[a-zA-Z0-9])?$/));
const kinds = fc.constantFrom<WorkloadKind>('deployment', 'cronjob', 'pod', 'job');
const labelsOf = (value: fc.Arbitrary<string>): fc.Arbitrary<BaggageLabels> => fc.record({ cluster: value, namespace: value, workloadKind: kinds, workload: value, canonicalName: value, canonicalRevision: value, region: value, zone: value });

test('labels survive their baggage', (t) => {
  fc.assert(
    fc.property(labelsOf(name), (labels) => {
      // Without a workload nothing says of which kind it is.
      t.deepEqual(parseBaggage(formatBaggage(labels)), { ok: true, value: labels.workload === '' ? { ...labels, workloadKind: 'pod' } : labels });
    }),
  );
});

test('any labels make a field that a peer takes, and nothing that was not said', (t) => {
  const values = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.string({ unit: fc.constantFrom(...'a=,;" \n\u010a'), maxLength: 10 }));
  fc.assert(
    fc.property(labelsOf(values), (labels) => {
      const baggage = formatBaggage(labels);
      t.true(parseConnectRequest([[':method', 'CONNECT'], [':authority', 'a:1'], ['baggage', baggage]]).ok);
      const parsed = parseBaggage(baggage);
      if (!parsed.ok) return t.fail(parsed.error);
      for (const [key, value] of Object.entries(parsed.value)) t.true(value === labels[key as keyof BaggageLabels] || value === '' || key === 'workloadKind', key);
    }),
    { numRuns: 500 },
  );
});

test('any baggage gives an answer that can be said again', (t) => {
  const keys = fc.constantFrom('k8s.cluster.name', 'k8s.job.name', 'k8s.pod.name', 'service.name', 'x', '');
  const pairs = fc.array(fc.tuple(keys, fc.constantFrom('=', ' = ', ''), fc.string({ unit: 'binary-ascii', maxLength: 8 }), fc.constantFrom(',', ';', ';,', '')).map((parts) => parts.join('')), { maxLength: 70 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(pairs, fc.string({ unit: 'binary', maxLength: 200 })), (text) => {
      const parsed = parseBaggage(text);
      if (!parsed.ok) return;
      t.deepEqual(parseBaggage(formatBaggage(parsed.value)), { ok: true, value: parsed.value.workload === '' ? { ...parsed.value, workloadKind: 'pod' } : parsed.value });
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('a source and a host survive forwarded', (t) => {
  const hosts = fc.option(fc.tuple(fc.constantFrom('', '*.'), fc.domain().filter((host) => host.length <= 251)), { nil: undefined });
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65535 }), hosts, (ip, port, host) => {
      const parsed = parseForwarded(formatForwarded({ ip, port }, host?.join('')));
      if (!parsed.ok || parsed.value.source === undefined) return t.fail(ip);
      t.is(parsed.value.source.port, port);
      if (isIP(ip) === 4) t.is<string, string>(parsed.value.source.ip, ip);
      t.is(parsed.value.host, host?.join('').toLowerCase());
    }),
  );
});

test('any text gives an answer as forwarded and as traceparent', (t) => {
  const pieces = fc.array(fc.constantFrom('for', 'host', '=', '"', ';', ',', ' ', '\\', '10.0.0.1:80', '[::1]:1', 'a.b', '*.', '00-', 'f'.repeat(32), '-', '1'.repeat(16)), { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(pieces, fc.string({ maxLength: 100 })), (text) => {
      const forwarded = parseForwarded(text);
      if (forwarded.ok && forwarded.value.source !== undefined) t.deepEqual(parseForwarded(formatForwarded(forwarded.value.source, forwarded.value.host)), forwarded);
      const trace = parseTraceparent(text);
      if (trace.ok) t.regex(`${trace.value.traceId}${trace.value.parentId}`, /^[0-9a-f]{48}$/);
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('every traceparent of random bytes is parsed back', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 24, maxLength: 24 }), (random) => {
      const hex = Buffer.from(random).toString('hex');
      fc.pre(!hex.startsWith('0'.repeat(32)) && !hex.endsWith('0'.repeat(16)));
      t.deepEqual(parseTraceparent(formatTraceparent(random)), { ok: true, value: { traceId: hex.slice(0, 32), parentId: hex.slice(32) } });
    }),
  );
});
