/** The OpenSSL 3 inside the Node.js binary. Pointers are numbers; see the manual page of each function. */
import koffi from 'koffi';

const library = koffi.load(null);
const func = library.func.bind(library);

export const ssl = {
  contextNew: func('int64_t SSL_CTX_new(int64_t method)'),
  contextFree: func('void SSL_CTX_free(int64_t context)'),
  method: func('int64_t TLS_method()'),
  contextControl: func('int64_t SSL_CTX_ctrl(int64_t context, int command, int64_t number, const void *pointer)'),
  contextControlPointer: func('int64_t SSL_CTX_ctrl(int64_t context, int command, int64_t number, int64_t pointer)'),
  setOptions: func('uint64_t SSL_CTX_set_options(int64_t context, uint64_t options)'),
  setVerify: func('void SSL_CTX_set_verify(int64_t context, int mode, int64_t callback)'),
  setVerifyDepth: func('void SSL_CTX_set_verify_depth(int64_t context, int depth)'),
  setCiphersuites: func('int SSL_CTX_set_ciphersuites(int64_t context, const char *names)'),
  setNumTickets: func('int SSL_CTX_set_num_tickets(int64_t context, int64_t count)'),
  setAlpnProtocols: func('int SSL_CTX_set_alpn_protos(int64_t context, const void *list, int length)'),
  setAlpnSelect: func('void SSL_CTX_set_alpn_select_cb(int64_t context, int64_t callback, int64_t argument)'),
  setKeylog: func('void SSL_CTX_set_keylog_callback(int64_t context, int64_t callback)'),
  useCertificate: func('int SSL_CTX_use_certificate(int64_t context, int64_t certificate)'),
  usePrivateKey: func('int SSL_CTX_use_PrivateKey(int64_t context, int64_t key)'),
  checkPrivateKey: func('int SSL_CTX_check_private_key(int64_t context)'),
  certificateStore: func('int64_t SSL_CTX_get_cert_store(int64_t context)'),
  storeAdd: func('int X509_STORE_add_cert(int64_t store, int64_t certificate)'),
  sessionNew: func('int64_t SSL_new(int64_t context)'),
  sessionFree: func('void SSL_free(int64_t session)'),
  setBio: func('void SSL_set_bio(int64_t session, int64_t read, int64_t write)'),
  setConnectState: func('void SSL_set_connect_state(int64_t session)'),
  setAcceptState: func('void SSL_set_accept_state(int64_t session)'),
  handshake: func('int SSL_do_handshake(int64_t session)'),
  error: func('int SSL_get_error(int64_t session, int result)'),
  verifyResult: func('int64_t SSL_get_verify_result(int64_t session)'),
  peerCertificate: func('int64_t SSL_get1_peer_certificate(int64_t session)'),
  peerChain: func('int64_t SSL_get_peer_cert_chain(int64_t session)'),
  selectedAlpn: func('void SSL_get0_alpn_selected(int64_t session, void *pointer, void *length)'),
  currentCipher: func('int64_t SSL_get_current_cipher(int64_t session)'),
  cipherId: func('uint32_t SSL_CIPHER_get_id(int64_t cipher)'),
} as const;

export const x509 = {
  readPem: func('int64_t PEM_read_bio_X509(int64_t bio, int64_t into, int64_t password, int64_t argument)'),
  readKeyPem: func('int64_t PEM_read_bio_PrivateKey(int64_t bio, int64_t into, int64_t password, int64_t argument)'),
  free: func('void X509_free(int64_t certificate)'),
  keyFree: func('void EVP_PKEY_free(int64_t key)'),
  encode: func('int i2d_X509(int64_t certificate, void *into)'),
  stackCount: func('int OPENSSL_sk_num(int64_t stack)'),
  stackValue: func('int64_t OPENSSL_sk_value(int64_t stack, int index)'),
} as const;

export const bio = {
  memoryMethod: func('int64_t BIO_s_mem()'),
  create: func('int64_t BIO_new(int64_t method)'),
  ofMemory: func('int64_t BIO_new_mem_buf(const void *bytes, int length)'),
  free: func('int BIO_free(int64_t bio)'),
  write: func('int BIO_write(int64_t bio, int64_t bytes, int length)'),
  read: func('int BIO_read(int64_t bio, int64_t into, int length)'),
} as const;

export const errors = {
  take: func('uint64_t ERR_get_error()'),
  clear: func('void ERR_clear_error()'),
  text: func('void ERR_error_string_n(uint64_t code, void *text, int64_t size)'),
} as const;

export const evp = {
  contextNew: func('int64_t EVP_CIPHER_CTX_new()'),
  contextFree: func('void EVP_CIPHER_CTX_free(int64_t context)'),
  aes128Gcm: func('int64_t EVP_aes_128_gcm()'),
  aes256Gcm: func('int64_t EVP_aes_256_gcm()'),
  init: func('int EVP_CipherInit_ex(int64_t context, int64_t cipher, int64_t engine, int64_t key, int64_t iv, int encrypt)'),
  update: func('int EVP_CipherUpdate(int64_t context, int64_t out, int64_t outLength, int64_t bytes, int length)'),
  final: func('int EVP_CipherFinal_ex(int64_t context, int64_t out, int64_t outLength)'),
  control: func('int EVP_CIPHER_CTX_ctrl(int64_t context, int command, int number, int64_t pointer)'),
} as const;

export const digests = {
  sha256: func('int64_t EVP_sha256()'),
  sha384: func('int64_t EVP_sha384()'),
} as const;

export const mac = {
  hmac: func('int64_t HMAC(int64_t digest, const void *key, int keyLength, const void *bytes, size_t length, int64_t out, int64_t outLength)'),
} as const;
