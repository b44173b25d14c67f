/** Writes the descriptors of the well-known types to standard output, for protoc, which has them nowhere by itself. */
import { create, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema, file_google_protobuf_any, file_google_protobuf_empty, file_google_protobuf_struct, file_google_protobuf_wrappers } from '@bufbuild/protobuf/wkt';

const files = [file_google_protobuf_any, file_google_protobuf_empty, file_google_protobuf_struct, file_google_protobuf_wrappers];
process.stdout.write(toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: files.map(({ proto }) => proto) })));
