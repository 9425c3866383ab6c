#include "certs/issue.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <set>

#include "test/certs/support.h"

namespace causeway::certs {
namespace {

using testing::HasSubstr;

unsigned mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777U;
}

std::string common_name(X509* certificate) {
    char text[128] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text,
                              sizeof(text));
    return text;
}

class Issue : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(init_ca(folder_.path())); }
    X509Ptr load(const std::string& path) { return certificate_of(slurp(path)); }
    X509Ptr ca() { return load(folder_ / "ca.crt"); }
    // A signing request in PEM.
    std::string request(const std::string& subject, EVP_PKEY* key) {
        X509_REQ* made = X509_REQ_new();
        if (!subject.empty()) {
            X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(made), "CN", MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(subject.c_str()), -1,
                                       -1, 0);
        }
        X509_REQ_set_pubkey(made, key);
        X509_REQ_sign(made, key, EVP_sha256());
        const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
        PEM_write_bio_X509_REQ(bio.get(), made);
        X509_REQ_free(made);
        char* data = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &data);
        return {data, static_cast<std::size_t>(size)};
    }

    Folder folder_;
};

using KeyHolder = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

TEST_F(Issue, TheCaIsACaAndItsKeyIsPrivate) {
    const X509Ptr made = ca();
    EXPECT_EQ(X509_check_ca(made.get()), 1);
    EXPECT_EQ(common_name(made.get()), "Causeway development CA");
    EXPECT_EQ(X509_get_pathlen(made.get()), 1);
    EXPECT_EQ(mode_of(folder_ / "ca.key"), 0600U);
    EXPECT_EQ(mode_of(folder_ / "ca.crt"), 0644U);
    EXPECT_EQ(X509_verify(made.get(), X509_get0_pubkey(made.get())), 1);
}

TEST_F(Issue, AServerCertificateVerifiesForItsNames) {
    const auto files =
        issue_server(folder_.path(), {"hub.example", "localhost", "192.0.2.7", "::1"});
    ASSERT_TRUE(files) << files.error().message;
    EXPECT_EQ(files->certificate, folder_ / "server.crt");
    const X509Ptr server = load(files->certificate);
    EXPECT_EQ(verify(server.get(), ca().get(), X509_PURPOSE_SSL_SERVER), X509_V_OK);
    EXPECT_EQ(verify(server.get(), ca().get(), X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    for (const char* name : {"hub.example", "localhost"}) {
        EXPECT_EQ(X509_check_host(server.get(), name, 0, 0, nullptr), 1) << name;
    }
    EXPECT_EQ(X509_check_host(server.get(), "other.example", 0, 0, nullptr), 0);
    EXPECT_EQ(X509_check_ip_asc(server.get(), "192.0.2.7", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(server.get(), "::1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(server.get(), "192.0.2.8", 0), 0);
    EXPECT_EQ(mode_of(files->private_key), 0600U);
}

TEST_F(Issue, ADeviceCertificateIsForClientsOnly) {
    const auto files = issue_device(folder_.path(), "plant/dev7");
    ASSERT_TRUE(files) << files.error().message;
    EXPECT_EQ(files->certificate, folder_ / "devices/plant_dev7.crt");
    const X509Ptr device = load(files->certificate);
    EXPECT_EQ(common_name(device.get()), "plant/dev7");
    EXPECT_EQ(verify(device.get(), ca().get(), X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    EXPECT_EQ(verify(device.get(), ca().get(), X509_PURPOSE_SSL_SERVER),
              X509_V_ERR_INVALID_PURPOSE);
    EXPECT_EQ(X509_check_ca(device.get()), 0);
    EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(device.get())), 256);
    EXPECT_EQ(mode_of(files->private_key), 0600U);
}

TEST_F(Issue, ADeviceOfTheRegistryHasItsKeyAsAUri) {
    const std::string longest = std::string(64, 'p') + "/" + std::string(64, 'n');
    for (const std::string& id : {std::string("plant/dev7"), longest}) {
        const auto files = issue_device(folder_.path(), id);
        ASSERT_TRUE(files) << files.error().message;
        const X509Ptr device = load(files->certificate);
        EXPECT_EQ(verify(device.get(), ca().get(), X509_PURPOSE_SSL_CLIENT), X509_V_OK);
        GENERAL_NAMES* names = static_cast<GENERAL_NAMES*>(
            X509_get_ext_d2i(device.get(), NID_subject_alt_name, nullptr, nullptr));
        ASSERT_EQ(sk_GENERAL_NAME_num(names), 1);
        const ASN1_IA5STRING* uri = sk_GENERAL_NAME_value(names, 0)->d.uniformResourceIdentifier;
        EXPECT_EQ(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                  "urn:causeway:device:" + id);
        GENERAL_NAMES_free(names);
        EXPECT_EQ(common_name(device.get()), id.size() <= 64 ? id : "");
    }
    EXPECT_EQ(list_certificates(folder_.path(), 0)->back().name, longest);
    EXPECT_EQ(revoke(folder_.path(), {{}, longest, {}})->size(), 1U);
    EXPECT_FALSE(issue_device(folder_.path(), longest + "x"));
    EXPECT_TRUE(issue_device(folder_.path(), "without-product"));
    // What would need escapes in OpenSSL's text is no key of the registry.
    EXPECT_TRUE(issue_device(folder_.path(), "p/n,DNS:evil"));
    EXPECT_EQ(X509_get_ext_by_NID(load(folder_ / "devices/p_n_DNS_evil.crt").get(),
                                  NID_subject_alt_name, -1),
              -1);
}

TEST_F(Issue, ANodeCertificateIsForBothSides) {
    const auto files = issue_node(folder_.path(), "n1", {"n1.example", "192.0.2.7"});
    ASSERT_TRUE(files) << files.error().message;
    EXPECT_EQ(files->certificate, folder_ / "nodes/n1.crt");
    EXPECT_EQ(files->private_key, folder_ / "nodes/n1.key");
    const X509Ptr node = load(files->certificate);
    EXPECT_EQ(common_name(node.get()), "node:n1");
    EXPECT_EQ(verify(node.get(), ca().get(), X509_PURPOSE_SSL_SERVER), X509_V_OK);
    EXPECT_EQ(verify(node.get(), ca().get(), X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    EXPECT_EQ(X509_check_host(node.get(), "n1.example", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_ip_asc(node.get(), "192.0.2.7", 0), 1);
    EXPECT_EQ(mode_of(files->private_key), 0600U);
    EXPECT_TRUE(issue_node(folder_.path(), "without-hosts", {}));
}

TEST_F(Issue, NodeNamesAreFileNames) {
    for (const char* name : {"", ".", "../n1", "a/b", "a b", "node:x", "n\xC3\xA4"}) {
        EXPECT_THAT(issue_node(folder_.path(), name, {}).error().message,
                    HasSubstr("a node's name must have"))
            << name;
    }
    EXPECT_TRUE(issue_node(folder_.path(), std::string(59, 'x'), {}));
    EXPECT_FALSE(issue_node(folder_.path(), std::string(60, 'x'), {}));
    EXPECT_THAT(issue_node(folder_.path(), "n1", {"a,DNS:b"}).error().message,
                HasSubstr("not a DNS name"));
}

TEST_F(Issue, NoDeviceGetsANodesName) {
    EXPECT_THAT(issue_device(folder_.path(), "node:n1").error().message,
                HasSubstr("must not begin with node:"));
    const KeyHolder key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    EXPECT_THAT(sign_csr(folder_.path(), request("node:n1", key.get()), "").error().message,
                HasSubstr("must not begin with node:"));
    EXPECT_FALSE(sign_csr(folder_.path(), request("d", key.get()), "node:n1"));
}

TEST_F(Issue, AgreesWithTheOpensslProgram) {
    if (std::system("command -v openssl >/dev/null 2>&1") != 0) {
        GTEST_SKIP() << "no openssl program";
    }
    ASSERT_TRUE(issue_server(folder_.path(), {"localhost"}));
    ASSERT_TRUE(issue_device(folder_.path(), "d1"));
    ASSERT_TRUE(issue_node(folder_.path(), "n1", {"localhost"}));
    for (const std::string leaf : {"server.crt", "devices/d1.crt", "nodes/n1.crt"}) {
        const std::string command = "openssl verify -x509_strict -CAfile " + (folder_ / "ca.crt") +
                                    " " + (folder_ / leaf) + " >/dev/null 2>&1";
        EXPECT_EQ(std::system(command.c_str()), 0) << leaf;
    }
}

TEST_F(Issue, DeviceIdsStayInsideTheFolder) {
    const auto files = issue_device(folder_.path(), "../../etc/passwd");
    ASSERT_TRUE(files);
    EXPECT_EQ(files->certificate, folder_ / "devices/_._.._etc_passwd.crt");
    EXPECT_EQ(common_name(load(files->certificate).get()), "../../etc/passwd");
}

TEST_F(Issue, RefusesBadNames) {
    EXPECT_THAT(issue_device(folder_.path(), "").error().message, HasSubstr("1 to 64 bytes"));
    EXPECT_THAT(issue_device(folder_.path(), std::string(65, 'x')).error().message,
                HasSubstr("1 to 64 bytes"));
    EXPECT_TRUE(issue_device(folder_.path(), std::string(64, 'x')));
    EXPECT_FALSE(issue_device(folder_.path(), std::string("a\0b", 3)));
    EXPECT_FALSE(issue_server(folder_.path(), {}));
    EXPECT_THAT(issue_server(folder_.path(), {"a,DNS:b"}).error().message,
                HasSubstr("not a DNS name"));
}

TEST_F(Issue, OverwritesOnlyWhenForced) {
    const std::string before = slurp(folder_ / "ca.key");
    const auto again = init_ca(folder_.path());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().message,
              (folder_ / "ca.crt") + " exists already; use --force to replace it");
    EXPECT_EQ(slurp(folder_ / "ca.key"), before);
    // Only the key is left: it is not replaced either.
    std::filesystem::remove(folder_ / "ca.crt");
    EXPECT_FALSE(init_ca(folder_.path()));
    EXPECT_EQ(slurp(folder_ / "ca.key"), before);
    CaOptions force;
    force.force = true;
    EXPECT_TRUE(init_ca(folder_.path(), force));
    EXPECT_NE(slurp(folder_ / "ca.key"), before);
    // No temporary file stays behind.
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 2);
}

TEST_F(Issue, ErrorsSayWhatToDo) {
    EXPECT_EQ(issue_device(folder_ / "nowhere", "d").error().message,
              "no CA in " + (folder_ / "nowhere") + "; make one with: causeway cert init");
    Folder other;
    ASSERT_TRUE(init_ca(other.path()));
    spill(folder_ / "ca.key", slurp(other / "ca.key"));
    EXPECT_EQ(issue_device(folder_.path(), "d").error().message,
              "CA key " + (folder_ / "ca.key") + " does not belong to " + (folder_ / "ca.crt"));
    spill(folder_ / "ca.key", "nonsense");
    EXPECT_THAT(issue_device(folder_.path(), "d").error().message,
                HasSubstr("is not an unencrypted PEM private key"));
}

TEST_F(Issue, SerialNumbersAreLongPositiveAndDifferent) {
    std::set<std::string> seen;
    IssueOptions options;
    options.force = true;
    for (int i = 0; i < 20; ++i) {
        const auto files = issue_device(folder_.path(), "d", options);
        ASSERT_TRUE(files);
        const X509Ptr device = load(files->certificate);
        const ASN1_INTEGER* serial = X509_get0_serialNumber(device.get());
        EXPECT_EQ(ASN1_STRING_length(serial), 16);
        EXPECT_EQ(ASN1_STRING_type(serial), V_ASN1_INTEGER);  // Not V_ASN1_NEG_INTEGER.
        seen.emplace(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), 16);
    }
    EXPECT_EQ(seen.size(), 20U);
}

TEST_F(Issue, ValidityFollowsTheOptions) {
    IssueOptions options;
    options.days = 10;
    options.backdate_s = 86'400;
    const auto files = issue_device(folder_.path(), "d", options);
    ASSERT_TRUE(files);
    const X509Ptr device = load(files->certificate);
    int days = 0;
    int seconds = 0;
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(device.get()),
                   X509_get0_notAfter(device.get()));
    EXPECT_EQ(days, 10);
    EXPECT_EQ(seconds, 0);
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(device.get()), nullptr);
    EXPECT_EQ(days, 1);
}

TEST_F(Issue, SignsARequest) {
    const KeyHolder key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const std::string csr = request("from/request", key.get());
    const auto by_request = sign_csr(folder_.path(), csr, "");
    ASSERT_TRUE(by_request) << by_request.error().message;
    const X509Ptr first = certificate_of(*by_request);
    EXPECT_EQ(common_name(first.get()), "from/request");
    EXPECT_EQ(verify(first.get(), ca().get(), X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    EXPECT_EQ(X509_check_private_key(first.get(), key.get()), 1);
    const auto by_us = sign_csr(folder_.path(), csr, "given");
    ASSERT_TRUE(by_us);
    EXPECT_EQ(common_name(certificate_of(*by_us).get()), "given");
}

TEST_F(Issue, RefusesRequestsThatProveNothing) {
    EXPECT_THAT(sign_csr(folder_.path(), "nonsense", "d").error().message,
                HasSubstr("not a PEM certificate signing request"));
    const KeyHolder key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    EXPECT_THAT(sign_csr(folder_.path(), request("", key.get()), "").error().message,
                HasSubstr("names no device"));
    const KeyHolder weak(EVP_RSA_gen(1024), EVP_PKEY_free);
    EXPECT_THAT(sign_csr(folder_.path(), request("d", weak.get()), "").error().message,
                HasSubstr("too weak"));
    const KeyHolder strong(EVP_RSA_gen(2048), EVP_PKEY_free);
    EXPECT_TRUE(sign_csr(folder_.path(), request("d", strong.get()), ""));
}

TEST_F(Issue, RefusesARequestSignedByAnotherKey) {
    const KeyHolder owner(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const KeyHolder thief(EVP_EC_gen("P-256"), EVP_PKEY_free);
    X509_REQ* made = X509_REQ_new();
    X509_REQ_set_pubkey(made, owner.get());
    X509_REQ_sign(made, thief.get(), EVP_sha256());
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_X509_REQ(bio.get(), made);
    X509_REQ_free(made);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    EXPECT_THAT(
        sign_csr(folder_.path(), {data, static_cast<std::size_t>(size)}, "d").error().message,
        HasSubstr("signature is wrong"));
}

}  // namespace
}  // namespace causeway::certs
