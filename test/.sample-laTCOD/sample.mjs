import test from 'ava';
test('a', async (t) => { t.pass(); });
setTimeout(() => { throw new Error('late'); }, 0);
test('b', async (t) => { await new Promise((r) => setTimeout(r, 500)); t.pass(); });
