import { networkInterfaces } from 'node:os';
import test from 'ava';
import { interfaceNames, networkInterfacesHere } from './network-interfaces.ts';

const HEADINGS = 'Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';

test('names are read whatever is in them', (t) => {
  t.deepEqual(interfaceNames(`${HEADINGS}    lo:  1203      10    0    0    0     0          0         0     1203      10    0    0    0     0       0          0\n  eth0:99    1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\neth0:1: 1    1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n`), ['lo', 'eth0', 'eth0:1']);
  t.deepEqual(interfaceNames(HEADINGS), []);
  t.deepEqual(interfaceNames(''), []);
});

test('the interfaces of this machine have their indices', (t) => {
  const here = networkInterfacesHere();
  t.is(here.find(({ name }) => name === 'lo')?.index, 1);
  for (const name of Object.keys(networkInterfaces())) t.true(here.some((each) => each.name === name), name);
});
