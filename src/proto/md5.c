#include "proto/md5.h"

#include <openssl/evp.h>

enum { DIGEST_SIZE = 16 };

bool md5_is_hash(struct slice text)
{
	if (text.size != MD5_TEXT_SIZE - 1 || memcmp(text.data, "md5", 3) != 0)
		return false;
	for (size_t i = 3; i < text.size; i++)
		if (!(text.data[i] >= '0' && text.data[i] <= '9') && !(text.data[i] >= 'a' && text.data[i] <= 'f'))
			return false;
	return true;
}

static int digest(struct slice first, struct slice second, char out[MD5_TEXT_SIZE], struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t bytes[EVP_MAX_MD_SIZE];
	bool done = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) && EVP_DigestUpdate(context, first.data, first.size) &&
		    EVP_DigestUpdate(context, second.data, second.size) && EVP_DigestFinal_ex(context, bytes, NULL);

	EVP_MD_CTX_free(context);
	if (!done)
		return err_set(err, ERR_UNSUPPORTED, "md5 authentication is not possible: OpenSSL refuses MD5");
	memcpy(out, "md5", 3);
	for (int i = 0; i < DIGEST_SIZE; i++) {
		out[3 + 2 * i] = digits[bytes[i] >> 4];
		out[4 + 2 * i] = digits[bytes[i] & 15];
	}
	out[MD5_TEXT_SIZE - 1] = '\0';
	return 0;
}

int md5_hash(struct slice password, struct slice user, char ret_hash[MD5_TEXT_SIZE], struct err *err)
{
	return digest(password, user, ret_hash, err);
}

int md5_answer(const char hash[MD5_TEXT_SIZE], const uint8_t salt[MD5_SALT_SIZE], char ret_answer[MD5_TEXT_SIZE], struct err *err)
{
	return digest(slice_make(hash + 3, MD5_TEXT_SIZE - 4), slice_make((const char *)salt, MD5_SALT_SIZE), ret_answer, err);
}
