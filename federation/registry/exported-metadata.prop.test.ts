import { MAX_RECORD_BYTES, MAX_EXPORTED_ANNOTATIONS, MAX_EXPORTED_LABELS, ServiceRecordSchema } from '@landbridge/core/records.ts';
import test from 'ava';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { exportedMetadata } from './exported-metadata.ts';

const RECORD = { kind: 'svc', namespace: 'shop', name: 'cart', exportedAt: 1, type: 'Headless', ports: [], sessionAffinity: 'None', ipFamilies: [] } as const;
const names = fc.oneof(fc.string(), fc.constantFrom('team', 'example.org/team', '__proto__', 'constructor', 'A.b_c-d', `${'a'.repeat(253)}/${'b'.repeat(63)}`, `x/${'b'.repeat(64)}`));
const values = fc.dictionary(names, fc.oneof(fc.string(), fc.constantFrom('', 'a', 'a b', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(1024), 'x'.repeat(1025))), { maxKeys: 80 });

test('whatever a ServiceExport says, the record is one that peers take, and each name is in it or told to be left out', (t) => {
  fc.assert(fc.property(values, values, (exportedLabels, exportedAnnotations) => {
    const { record, leftOut } = exportedMetadata({ spec: { exportedLabels, exportedAnnotations } });
    t.true(Value.Check(ServiceRecordSchema, { ...RECORD, ...record }));
    const kept = [...Object.keys(record.exportedLabels ?? {}), ...Object.keys(record.exportedAnnotations ?? {})];
    t.deepEqual([...kept, ...leftOut].sort(), [...Object.keys(exportedLabels), ...Object.keys(exportedAnnotations)].sort());
  }));
});

test('as many as there may be, of the longest, leave room for a record’s ports', (t) => {
  const many = (count: number, value: string): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, i) => [`${'a'.repeat(253)}/${String(i).padStart(63, 'b')}`, value]));
  const { record, leftOut } = exportedMetadata({ spec: { exportedLabels: many(MAX_EXPORTED_LABELS + 1, 'x'.repeat(63)), exportedAnnotations: many(MAX_EXPORTED_ANNOTATIONS + 2, '\u0001'.repeat(1024)) } });
  t.is(leftOut.length, 3);
  t.true(JSON.stringify(record).length < MAX_RECORD_BYTES - 96 * 1024);
});

test('a record with more, or with a name that is none, is refused', (t) => {
  for (const exportedLabels of [{ 'a b': 'x' }, { a: 'a b' }, { a: 1 }, Object.fromEntries(Array.from({ length: MAX_EXPORTED_LABELS + 1 }, (_, i) => [`n${i}`, 'x'])), JSON.parse('{"__proto__":"x"}')]) t.false(Value.Check(ServiceRecordSchema, { ...RECORD, exportedLabels }));
  for (const exportedAnnotations of [{ 'a b': 'x' }, { a: 'x'.repeat(1025) }]) t.false(Value.Check(ServiceRecordSchema, { ...RECORD, exportedAnnotations }));
});
