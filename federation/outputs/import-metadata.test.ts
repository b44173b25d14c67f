import test from 'ava';
import fc from 'fast-check';
import { DERIVED_SERVICE_ANNOTATION, MANAGED_BY_LABEL } from '../kubernetes/types.ts';
import { exampleImport } from './example-imports.ts';
import { EXPORTED_ANNOTATION, importMetadata, PRECEDENCE_ANNOTATION, writtenMetadata, writtenPrecedence } from './import-metadata.ts';

test('labels and annotations of the export that decides are those of the import, beside its own', (t) => {
  const { labels, annotations } = importMetadata(exampleImport({ labels: { team: 'a' }, annotations: { 'example.org/note': 'n' }, precedence: ['west', 'east'] }), 'derived-x');
  t.deepEqual(labels, { team: 'a', [MANAGED_BY_LABEL]: 'landbridge' });
  t.deepEqual(annotations, { 'example.org/note': 'n', [DERIVED_SERVICE_ANNOTATION]: 'derived-x', [PRECEDENCE_ANNOTATION]: 'west,east', [EXPORTED_ANNOTATION]: '{"labels":["team"],"annotations":["example.org/note"]}' });
});

test('what this cluster says of its objects no other one says', (t) => {
  const names = [MANAGED_BY_LABEL, DERIVED_SERVICE_ANNOTATION, PRECEDENCE_ANNOTATION, EXPORTED_ANNOTATION, 'kubectl.kubernetes.io/last-applied-configuration', 'meta.helm.sh/release-name'];
  const hostile = Object.fromEntries(names.map((name) => [name, 'x']));
  t.deepEqual(importMetadata(exampleImport({ labels: hostile, annotations: hostile }), 'derived-x'), importMetadata(exampleImport(), 'derived-x'));
});

test('what was written is read again, without what others have put beside it', (t) => {
  const values = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.stringMatching(/^[a-z]{0,3}$/), { maxKeys: 3 });
  fc.assert(fc.property(values, values, fc.uniqueArray(fc.constantFrom('east', 'north', 'west')), (labels, annotations, precedence) => {
    const written = importMetadata(exampleImport({ labels, annotations, precedence }), 'derived-x');
    const metadata = JSON.parse(JSON.stringify({ labels: { ...written.labels, 'of/others': 'x' }, annotations: { ...written.annotations, 'of/others': 'x' } }));
    // Dictionaries of fast-check have no prototype.
    t.deepEqual(writtenMetadata({ metadata }), { labels: { ...labels }, annotations: { ...annotations } });
    t.deepEqual(writtenPrecedence({ metadata }), precedence);
  }));
});

test('any text in their place is no order and no names', (t) => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), fc.constantFrom('{"labels":{"a":1}}', 'null')), (text) => {
    const metadata = { labels: { team: 'a' }, annotations: { [PRECEDENCE_ANNOTATION]: text, [EXPORTED_ANNOTATION]: text } };
    t.true(writtenPrecedence({ metadata }).every((cluster) => /^[a-z0-9-]{1,63}$/.test(cluster)));
    t.notThrows(() => writtenMetadata({ metadata }));
  }));
  t.deepEqual(writtenPrecedence({ metadata: { annotations: { [PRECEDENCE_ANNOTATION]: 'west,WEST,,west,-,east' } } }), ['west', 'east']);
});
