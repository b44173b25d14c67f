// Loaded into every process of tests. Where an assertion of ava's fails inside of a property, ava tells the assertion alone,
// and nothing of what fast-check says: the least input that fails, and the seed by which it is found again.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

// Only where it is used: most files are done in less time than it takes to load.
if (readFileSync(fileURLToPath(test.meta.file), 'utf8').includes("from 'fast-check'")) {
  const { default: fc } = await import('fast-check');
  fc.configureGlobal({
    reporter: (details) => {
      if (!details.failed) return;
      const message = fc.defaultReportMessage(details) ?? 'a property failed';
      process.stderr.write(`${message}\n`);
      throw new Error(message, { cause: details.errorInstance });
    },
  });
}
