/** A file of an archive; a directory where it has no content. */
export interface ArchiveEntry {
  /** Relative, directories before what is in them. */
  readonly path: string;
  readonly content?: Buffer;
}

const DIRECTORY = 0o040755;
const EXECUTABLE = 0o100755;
const END = 'TRAILER!!!';

/** An archive as the kernel unpacks it at its start (buffer-format.rst of Linux, `newc`). */
export function cpioArchive(entries: readonly ArchiveEntry[]): Buffer {
  const records = [...entries, { path: END, content: Buffer.alloc(0) }].map(({ path, content }, inode) => {
    const bytes = content ?? Buffer.alloc(0);
    const name = `${path}\0`;
    const fields = [inode, content === undefined ? DIRECTORY : EXECUTABLE, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    return Buffer.concat([padded(Buffer.from(header + name)), padded(bytes)]);
  });
  return Buffer.concat(records);
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
