import type { V1Service } from '@kubernetes/client-node';
import test from 'ava';
import { EXPORT_LABEL } from '../exports/label-exports.ts';
import type { ServiceExport } from '../kubernetes/types.ts';
import { exampleExport, exampleService } from '../registry/example-objects.ts';
import { ExampleCluster, settled } from './example-cluster.ts';

const namespace = (label?: string, name = 'shop') => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: label === undefined ? {} : { [EXPORT_LABEL]: label } } });
const service = (name: string, label?: string): V1Service => exampleService(name, {}, label === undefined ? {} : { [EXPORT_LABEL]: label });
const exported = (cluster: ExampleCluster): readonly string[] => cluster.list('ServiceExport').map(({ metadata }) => metadata?.name ?? '').sort();
const published = (cluster: ExampleCluster): readonly string[] => [...cluster.membership.published.keys()].filter((key) => key.startsWith('svc.')).sort();

test('a label exports a Service as a ServiceExport does, with its conditions, for as long as it is there', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(service('cart', 'true'));
  await using _ = await settled(cluster);
  t.deepEqual(exported(cluster), ['cart']);
  t.deepEqual(published(cluster), ['svc.shop.cart']);
  t.deepEqual((cluster.list('ServiceExport')[0] as ServiceExport).status?.conditions?.map(({ type, status }) => `${type} ${status}`).sort(), ['Conflict False', 'Ready True', 'Valid True']);
  const before = cluster.written.length;
  await cluster.settle();
  t.is(cluster.written.length, before, 'nothing is left to do');
  cluster.put(service('cart'));
  await cluster.settle();
  t.deepEqual([exported(cluster), published(cluster), cluster.list('ServiceImport').length], [[], [], 0]);
});

test('a namespace’s label exports its Services, those of later and but for those that say no', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(service('cart'));
  cluster.put(service('own', 'false'));
  await using _ = await settled(cluster);
  t.deepEqual(exported(cluster), []);
  cluster.put(namespace('true'));
  await cluster.settle();
  t.deepEqual(exported(cluster), ['cart'], 'and no Service that was derived of it');
  cluster.put(service('pay'));
  await cluster.settle();
  t.deepEqual(exported(cluster), ['cart', 'pay']);
  cluster.put(namespace());
  await cluster.settle();
  t.deepEqual(exported(cluster), []);
});

test('a ServiceExport that somebody has made stays when the label goes', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(service('cart', 'true'));
  cluster.put(exampleExport('cart'));
  await using _ = await settled(cluster);
  t.false(cluster.written.some((line) => line.startsWith('create')));
  cluster.put(service('cart'));
  await cluster.settle();
  t.deepEqual(exported(cluster), ['cart']);
});

test('the export of a Service that goes goes with it', async (t) => {
  const cluster = new ExampleCluster();
  cluster.put(service('cart', 'true'));
  await using _ = await settled(cluster);
  cluster.remove('Service', 'cart');
  await cluster.settle();
  t.deepEqual([exported(cluster), published(cluster)], [[], []]);
});

test('what the leader before has not made is made by the next one', async (t) => {
  const cluster = new ExampleCluster();
  cluster.leadership.set(false);
  cluster.put(service('cart', 'true'));
  await using _ = await settled(cluster);
  t.deepEqual(cluster.written, []);
  cluster.leadership.set(true);
  await cluster.settle();
  t.deepEqual(exported(cluster), ['cart']);
});
