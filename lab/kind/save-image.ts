/** Writes Landbridge's image as an OCI archive, for clusters that are not the lab's: node lab/kind/save-image.ts FILE NAME:TAG */
import path from 'node:path';
import { archiveEntries } from '../image-archive.ts';
import { productBase, productImage } from '../images.ts';
import { writeTar } from '../tar.ts';

const [file, name] = process.argv.slice(2);
if (file === undefined || name === undefined || !/^[a-z0-9][a-z0-9./_-]*:[\w.-]+$/.test(name)) {
  process.stderr.write('usage: save-image.ts FILE NAME:TAG\n');
  process.exit(64);
}
const { signal } = new AbortController();
const image = await productImage(await productBase(signal), signal);
await writeTar(path.resolve(file), archiveEntries([{ ...image, name }]), signal);
