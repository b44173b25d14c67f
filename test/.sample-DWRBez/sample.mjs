import test from 'ava';
test('a', (t) => t.pass());
test('b', (t) => t.fail());
test('c', () => { throw new Error('  ✔ no'); });
