import test from 'ava';
import fc from 'fast-check';
import { convertServiceRoute } from './service-route.ts';

const metadata = { namespace: 'shop', name: 'cart' };
const route = (...clusters: readonly unknown[]) => convertServiceRoute({ metadata, spec: { clusters } });
const reason = (...clusters: readonly unknown[]): string => {
  const { verdict } = route(...clusters) ?? {};
  return verdict?.kind === 'refused' ? verdict.message : (verdict?.kind ?? 'nothing');
};

test('percents and caps are read by cluster', (t) => {
  t.deepEqual(route({ name: 'east', percent: 90 }, { name: 'west', percent: 10, maxPercent: 15 }, { name: 'north' }), {
    rules: { percents: new Map([['east', 90], ['west', 10]]), caps: new Map([['west', 15]]) },
    verdict: { kind: 'accepted', message: 'In force for cart.shop.svc.clusterset.local.' },
  });
});

test('what can not be meant decides nothing, and says why', (t) => {
  t.regex(reason({ name: 'east', percent: 90 }, { name: 'west', percent: 20 }), /add up to 110/);
  t.regex(reason({ name: 'east' }, { name: 'east', percent: 1 }), /east is named twice/);
  for (const wrong of [{ name: 'East' }, { name: 'east', percent: 101 }, { name: 'east', percent: -1 }, { name: 'east', percent: 1.5 }, { name: 'east', precent: 5 }, 'east', null]) t.regex(reason(wrong), /^It decides nothing/, JSON.stringify(wrong));
  t.regex(reason(), /^It decides nothing/);
  t.is(convertServiceRoute({ metadata: { name: 'x' } }), undefined);
});

test('anything is read, or refused with a reason', (t) => {
  fc.assert(fc.property(fc.anything(), fc.anything(), (spec, whole) => {
    t.notThrows(() => convertServiceRoute(whole));
    const converted = convertServiceRoute({ metadata, spec });
    t.is(converted?.rules === undefined, converted?.verdict.kind === 'refused');
  }));
});
