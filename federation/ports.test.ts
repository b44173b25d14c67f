import test from 'ava';
import { readPorts } from './ports.ts';

test('ports are the usual ones unless others are named', (t) => {
  t.deepEqual(readPorts({}), { agents: 15012, monitoring: 15014, admin: 15000 });
  t.deepEqual(readPorts({ AGENTS_PORT: '1', MONITORING_PORT: '65535', ADMIN_PORT: '' }), { agents: 1, monitoring: 65535, admin: 15000 });
  for (const wrong of ['0', '65536', '-1', '1e3', ' 80', 'x', '999999']) t.like(t.throws(() => readPorts({ ADMIN_PORT: wrong })), { code: 'bad-config' });
});
