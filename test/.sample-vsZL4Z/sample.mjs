import test from 'ava';
test.before(() => { throw new Error('before'); });
test('a', (t) => t.pass());
