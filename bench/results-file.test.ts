import test from 'ava';
import { BEGIN, END, replaceSection } from './results-file.ts';

test('only what is between the markers changes, however often', (t) => {
  const once = replaceSection(`# A\n${BEGIN}\nold\n${END}\nB\n`, 'fresh\n');
  t.deepEqual(once, { ok: true, value: `# A\n${BEGIN}\n\nfresh\n\n${END}\nB\n` });
  t.deepEqual(once.ok && replaceSection(once.value, 'fresh'), once);
});

for (const [name, document] of Object.entries({ none: '# A\n', 'the wrong order': `${END}\n${BEGIN}\n`, 'two begins': `${BEGIN}\n${BEGIN}\n${END}\n` })) {
  test(`markers: ${name} is refused`, (t) => {
    t.false(replaceSection(document, 'x').ok);
  });
}
