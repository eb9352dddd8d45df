/* Whatever the other side of a SCRAM exchange says: nothing breaks, and nobody is let in who does not know the password.
 *
 * The first byte chooses the message: '1' and '3' are a client's first and final, '2' and '4' a server's, '5' and '6' a client's on a bound
 * channel, any other begins a verifier.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

static const uint8_t nonce[SCRAM_NONCE_SIZE] = "server nonce 12345";
static const char proof[] = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndV", signature[] = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G";
/* base64 of "p=tls-server-end-point,,": what a client says whose proof was made for this channel. */
static const char end_point[] = "cD10bHMtc2VydmVyLWVuZC1wb2ludCws";
static const char pencil[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
			     "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

static void must_hold(struct slice text, const char *part)
{
	if (!memmem(text.data, text.size, part, strlen(part)))
		abort();
}

static void serve(struct slice text, bool first, bool bound, struct buf *out)
{
	struct scram_server server = { .client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO", .nonce = NONCE, .gs2_flag = 'n',
		.server_first = "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096" };

	if (scram_verifier_read(slice_of(pencil), &server.verifier, NULL) < 0)
		abort();
	if (bound) {
		server.binding = (struct scram_binding){ .used = true, .size = 32, .end_point = "the hash of a certificate, 32 b" };
		server.gs2_flag = 'p';
	}
	if (first && scram_server_first(&server, text, nonce, out, NULL) == 0 && !slice_is(buf_slice(out), server.server_first))
		abort();
	if (!first && scram_server_final(&server, text, out, NULL) == 0)
		must_hold(text, bound ? end_point : proof);
}

static bool takes_long(struct slice text)
{
	const char *count = memmem(text.data, text.size, ",i=", 3);
	size_t digits = 0;

	while (count && count + 3 + digits < text.data + text.size && count[3 + digits] >= '0' && count[3 + digits] <= '9')
		digits++;
	return digits > 1;
}

static void ask(struct slice text, bool first, struct buf *out)
{
	struct scram_client client = { .client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO", .nonce = "rOprNGfwEbeRWgbNEkqO" };
	struct slice server_first = SLICE_LIT("r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	static struct scram_keys keys;  /* so that the password need not be hashed each time */

	if (!keys.verifier.iterations) {
		if (scram_verifier_read(slice_of(pencil), &keys.verifier, NULL) < 0)
			abort();
		scram_keys_make(SLICE_LIT("pencil"), &keys.verifier, &keys);
	}
	if (scram_client_final(&client, SLICE_LIT("pencil"), first && !takes_long(text) ? NULL : &keys, first ? text : server_first, out, NULL) < 0 &&
	    !first)
		abort();
	if (!first && scram_client_verify(&client, text, NULL) == 0)
		must_hold(text, signature);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = size ? slice_make(data + 1, size - 1) : slice_make(data, 0);
	struct scram_verifier verifier;
	struct buf out;

	buf_init(&out, 1 << 16);
	switch (size ? data[0] : 0) {
	case '1': case '3':
		serve(text, data[0] == '1', false, &out);
		break;
	case '5': case '6':
		serve(text, data[0] == '5', true, &out);
		break;
	case '2': case '4':
		ask(text, data[0] == '2', &out);
		break;
	default:
		if (scram_verifier_read(slice_make(data, size), &verifier, NULL) == 0 &&
		    (verifier.iterations == 0 || verifier.salt_size == 0 || verifier.salt_size > SCRAM_SALT_SIZE_MAX))
			abort();
	}
	if (out.failed)
		abort();
	buf_release(&out);
	return 0;
}
