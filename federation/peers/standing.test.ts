import test from 'ava';
import { exampleImport, part } from '../outputs/example-imports.ts';
import { endpoint } from '../records/example-records.ts';
import { isPassedOver, isPassedOverDirectly, type Standing, standingOf, withStanding } from './standing.ts';

const standings = (west: Standing): ReadonlyMap<string, Standing> => new Map([['west', west]]);
const both = exampleImport({ clusters: [part('east', endpoint('a')), part('west', endpoint('b'))] });
const passedOver = (imported: typeof both): string[] => imported.clusters.filter((each) => isPassedOver(imported, each)).map(({ cluster }) => cluster);
const workloads = (imported: typeof both): string[] => imported.clusters.flatMap(({ endpoints }) => endpoints.map(({ workload }) => workload));

test('only a stale peer stands elsewhere, as the policy has it, and is dropped only after its time', (t) => {
  for (const phase of [undefined, 'syncing', 'ready', 'suspect', 'removed'] as const) t.is(standingOf(phase, 1e9, { policy: 'drop', dropMs: 1 }), 'first');
  t.is(standingOf('stale', 1e9, { policy: 'keep', dropMs: 1 }), 'first');
  t.is(standingOf('stale', 1e9, { policy: 'deprioritize', dropMs: 1 }), 'last');
  t.is(standingOf('stale', 999, { policy: 'drop', dropMs: 1000 }), 'last');
  t.is(standingOf('stale', 1000, { policy: 'drop', dropMs: 1000 }), 'gone');
  t.is(standingOf('stale', 1e9, { policy: 'drop', dropMs: 0 }), 'last');
});

test('an import of clusters that are all first is the same one', (t) => {
  t.is(withStanding(both, new Map()), both);
  t.is(withStanding(both, standings('first')), both);
});

test('where others are ready, those that are last are passed over, and those that are gone are not there', (t) => {
  const last = withStanding(both, standings('last'));
  t.deepEqual([passedOver(last), workloads(last)], [['west'], ['a', 'b']]);
  const gone = withStanding(both, standings('gone'));
  t.deepEqual([workloads(gone), gone.clusters.map(({ cluster }) => cluster)], [['a'], ['east', 'west']]);
});

test('the last endpoints of a service stay: where nobody else exports it, or has no ready one', (t) => {
  for (const standing of ['last', 'gone'] as const) {
    for (const clusters of [[part('west', endpoint('b'))], [part('east'), part('west', endpoint('b'))], [part('east', { ...endpoint('a'), ready: false }), part('west', endpoint('b'))]]) {
      const imported = withStanding(exampleImport({ clusters }), standings(standing));
      t.deepEqual(passedOver(imported), []);
      t.true(workloads(imported).includes('b'));
    }
  }
});

test('others that can not be reached, or by those who go by slices not, are no others', (t) => {
  const [far, near] = [{ ...part('east', endpoint('a')), reach: 'none' as const }, part('west', endpoint('b'))];
  t.deepEqual(passedOver(withStanding(exampleImport({ clusters: [far, near] }), standings('last'))), []);
  const behind = withStanding(exampleImport({ clusters: [{ ...far, reach: 'gateway' }, near] }), standings('last'));
  t.deepEqual([passedOver(behind), behind.clusters.filter((each) => isPassedOverDirectly(behind, each)).length], [['west'], 0]);
  const last = withStanding(both, standings('last'));
  t.deepEqual(last.clusters.filter((each) => isPassedOverDirectly(last, each)).map(({ cluster }) => cluster), ['west']);
});

test('pods of a headless service stay, whoever is ready: nobody else has their names', (t) => {
  const imported = withStanding({ ...both, type: 'Headless' }, standings('gone'));
  t.deepEqual([passedOver(imported), workloads(imported)], [[], ['a', 'b']]);
});
