// Intermediate CAs, renewal, revocation and the list of what ends when.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include "certs/context.h"
#include "certs/issue.h"
#include "test/certs/handshake.h"
#include "test/certs/support.h"

namespace causeway::certs {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Authorities : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(init_ca(folder_.path()));
        ASSERT_TRUE(issue_server(folder_.path(), {"localhost"}));
        ASSERT_TRUE(issue_device(folder_.path(), "plant/dev7"));
        plant_.common_name = "Plant CA";
    }
    [[nodiscard]] bool openssl(const std::string& arguments) const {
        return std::system(("openssl " + arguments + " >/dev/null 2>&1").c_str()) == 0;
    }
    [[nodiscard]] std::shared_ptr<SslContext> server(const std::vector<std::string>& crls,
                                                     bool required = false) const {
        ServerTlsConfig config{folder_ / "server.crt", folder_ / "server.key", folder_ / "ca.crt",
                               Verify::kRequired};
        config.crls = crls;
        config.crl_required = required;
        auto made = make_server_context(config);
        EXPECT_TRUE(made) << made.error().message;
        return *made;
    }
    [[nodiscard]] std::shared_ptr<SslContext> client(const std::string& leaf) const {
        auto made = make_client_context({folder_ / "ca.crt", leaf + ".crt", leaf + ".key"});
        EXPECT_TRUE(made) << made.error().message;
        return *made;
    }
    [[nodiscard]] std::shared_ptr<SslContext> device() const {
        return client(folder_ / "devices/plant_dev7");
    }
    std::string standing_of(const std::string& name, Standing standing) {
        const auto listed = list_certificates(folder_.path(), ::time(nullptr));
        std::string serials;
        for (const Listed& one : *listed) {
            serials += one.name == name && one.standing == standing ? one.serial + " " : "";
        }
        return serials;
    }

    Folder folder_;
    CaOptions plant_;
};

TEST_F(Authorities, AnIntermediateSignsInTheRootsName) {
    const std::string dir = folder_ / "plant";
    EXPECT_THAT(init_intermediate(dir, folder_.path()).error().message,
                HasSubstr("a name of its own"));
    const auto made = init_intermediate(dir, folder_.path(), plant_);
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_TRUE(issue_device(dir, "plant/dev8"));
    EXPECT_TRUE(openssl("verify -x509_strict -CAfile " + (folder_ / "ca.crt") + " -untrusted " +
                        dir + "/chain.crt " + dir + "/devices/plant_dev8.crt"));
    // The device sends the chain itself; the server knows only the root.
    EXPECT_TRUE(shake_hands(server({}).get(), client(dir + "/devices/plant_dev8").get()).done);
    // It bears no CA below it.
    EXPECT_THAT(init_intermediate(dir + "/more", dir, {"More"}).error().message,
                HasSubstr("may not sign other CAs"));
    // A device's certificate signs nothing.
    EXPECT_FALSE(init_intermediate(dir + "/more", dir + "/devices"));
}

TEST_F(Authorities, AnIntermediateAloneMayBeTrusted) {
    const std::string dir = folder_ / "plant";
    ASSERT_TRUE(init_intermediate(dir, folder_.path(), plant_));
    ASSERT_TRUE(issue_device(dir, "plant/dev8"));
    ServerTlsConfig config{folder_ / "server.crt", folder_ / "server.key", dir + "/ca.crt",
                           Verify::kRequired};
    const auto context = make_server_context(config);
    ASSERT_TRUE(context);
    EXPECT_TRUE(shake_hands(context->get(), client(dir + "/devices/plant_dev8").get()).done);
    EXPECT_FALSE(shake_hands(context->get(), device().get()).done);
}

TEST_F(Authorities, KeysOfOtherKinds) {
    IssueOptions options;
    options.force = true;
    for (const KeyKind kind : {KeyKind::kEd25519, KeyKind::kRsa}) {
        options.key = kind;
        ASSERT_TRUE(issue_device(folder_.path(), "plant/dev7", options));
        EXPECT_TRUE(shake_hands(server({}).get(), device().get()).done);
    }
    Folder other;
    CaOptions ca;
    ca.key = KeyKind::kEd25519;
    ASSERT_TRUE(init_ca(other.path(), ca));
    ASSERT_TRUE(issue_device(other.path(), "d"));
    EXPECT_TRUE(openssl("verify -x509_strict -CAfile " + (other / "ca.crt") + " " +
                        (other / "devices/d.crt")));
    ASSERT_TRUE(revoke(other.path(), {{}, "d", {}}));
    EXPECT_TRUE(openssl("crl -noout -CAfile " + (other / "ca.crt") + " -in " + (other / "ca.crl")));
}

TEST_F(Authorities, AnOperatorHasANameOfItsOwn) {
    const auto files = issue_operator(folder_.path(), "alice");
    ASSERT_TRUE(files) << files.error().message;
    EXPECT_EQ(files->certificate, folder_ / "operators/alice.crt");
    EXPECT_FALSE(issue_device(folder_.path(), "operator:alice"));
    EXPECT_THAT(issue_operator(folder_.path(), "a/b").error().message,
                HasSubstr("an operator's name must have 1 to 55"));
}

TEST_F(Authorities, ARevokedDeviceIsRefused) {
    EXPECT_TRUE(shake_hands(server({}).get(), device().get()).done);
    const auto revoked = revoke(folder_.path(), {{}, "plant/dev7", {}}, {"keyCompromise", 30});
    ASSERT_TRUE(revoked) << revoked.error().message;
    EXPECT_THAT(*revoked, SizeIs(1));
    const std::string crl = folder_ / "ca.crl";
    EXPECT_FALSE(shake_hands(server({crl}).get(), device().get()).done);
    EXPECT_TRUE(shake_hands(server({}).get(), device().get()).done);  // who has no list
    EXPECT_TRUE(openssl("crl -noout -CAfile " + (folder_ / "ca.crt") + " -in " + crl));
    // Its neighbour is not, nor is its next certificate.
    ASSERT_TRUE(issue_device(folder_.path(), "plant/dev9"));
    EXPECT_TRUE(
        shake_hands(server({crl}).get(), client(folder_ / "devices/plant_dev9").get()).done);
    IssueOptions again;
    again.force = true;
    ASSERT_TRUE(issue_device(folder_.path(), "plant/dev7", again));
    EXPECT_TRUE(shake_hands(server({crl}).get(), device().get()).done);
    // Once more: the new one.
    EXPECT_THAT(*revoke(folder_.path(), {{}, "plant/dev7", {}}), SizeIs(1));
    EXPECT_THAT(*revoke(folder_.path(), {{}, "plant/dev7", {}}), IsEmpty());
    EXPECT_FALSE(shake_hands(server({crl}).get(), device().get()).done);
}

TEST_F(Authorities, RevocationBySerialAndByFile) {
    const auto listed = list_certificates(folder_.path(), ::time(nullptr));
    ASSERT_TRUE(listed);
    const Listed& device_of_list = listed->back();
    EXPECT_EQ(device_of_list.name, "plant/dev7");
    std::string upper = device_of_list.serial;
    std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
    upper.insert(2, ":");
    EXPECT_THAT(*revoke(folder_.path(), {upper, {}, {}}), testing::ElementsAre(device_of_list.serial));
    EXPECT_THAT(*revoke(folder_.path(), {{}, {}, folder_ / "server.crt"}), SizeIs(1));
    EXPECT_FALSE(shake_hands(server({folder_ / "ca.crl"}).get(), device().get()).done);
    EXPECT_THAT(revoke(folder_.path(), {"xyz", {}, {}}).error().message,
                HasSubstr("hexadecimal digits"));
    EXPECT_THAT(revoke(folder_.path(), {{}, "nobody", {}}).error().message,
                HasSubstr("has issued nothing to nobody"));
    EXPECT_THAT(revoke(folder_.path(), {{}, "plant/dev7", {}}, {"boredom", 1}).error().message,
                HasSubstr("keyCompromise"));
    Folder other;
    ASSERT_TRUE(init_ca(other.path()));
    ASSERT_TRUE(issue_device(other.path(), "d"));
    EXPECT_THAT(
        revoke(folder_.path(), {{}, {}, other / "devices/d.crt"}).error().message,
        HasSubstr("was not issued by the CA"));
}

TEST_F(Authorities, ARevokedIntermediateTakesItsDevicesAlong) {
    const std::string dir = folder_ / "plant";
    ASSERT_TRUE(init_intermediate(dir, folder_.path(), plant_));
    ASSERT_TRUE(issue_device(dir, "plant/dev8"));
    const std::string leaf = dir + "/devices/plant_dev8";
    ASSERT_TRUE(write_crl(folder_.path(), 30));
    EXPECT_TRUE(shake_hands(server({folder_ / "ca.crl"}).get(), client(leaf).get()).done);
    ASSERT_TRUE(revoke(folder_.path(), {{}, {}, dir + "/ca.crt"}));
    EXPECT_FALSE(shake_hands(server({folder_ / "ca.crl"}).get(), client(leaf).get()).done);
}

TEST_F(Authorities, AListThatIsMissingOrLateKeepsNobodyOutUnlessAsked) {
    ASSERT_TRUE(revoke(folder_.path(), {{}, {}, folder_ / "server.crt"}, {"superseded", 0}));
    const std::string late = folder_ / "ca.crl";  // due at once
    Folder other;
    CaOptions named;
    named.common_name = "Another CA";
    ASSERT_TRUE(init_ca(other.path(), named));
    ASSERT_TRUE(write_crl(other.path(), 30));
    for (const std::string& crl : {late, other / "ca.crl"}) {
        EXPECT_TRUE(shake_hands(server({crl}).get(), device().get()).done) << crl;
    }
    EXPECT_FALSE(shake_hands(server({other / "ca.crl"}, true).get(), device().get()).done);
    // What a late list revokes stays revoked.
    ASSERT_TRUE(revoke(folder_.path(), {{}, "plant/dev7", {}}, {"unspecified", 0}));
    EXPECT_FALSE(shake_hands(server({late}).get(), device().get()).done);
}

TEST_F(Authorities, RenewalKeepsWhatACertificateSays) {
    const X509Ptr before = certificate_of(slurp(folder_ / "server.crt"));
    const std::string key = slurp(folder_ / "server.key");
    const auto renewed = renew(folder_.path(), folder_ / "server.crt", {100, false});
    ASSERT_TRUE(renewed) << renewed.error().message;
    const X509Ptr after = certificate_of(slurp(folder_ / "server.crt"));
    EXPECT_EQ(slurp(folder_ / "server.key"), key);
    EXPECT_NE(X509_cmp(before.get(), after.get()), 0);
    EXPECT_EQ(X509_check_host(after.get(), "localhost", 0, 0, nullptr), 1);
    EXPECT_EQ(verify(after.get(), certificate_of(slurp(folder_ / "ca.crt")).get(),
                     X509_PURPOSE_SSL_SERVER),
              X509_V_OK);
    EXPECT_EQ(X509_get_ext_count(before.get()), X509_get_ext_count(after.get()));
    int days = 0;
    int seconds = 0;
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(after.get()),
                   X509_get0_notAfter(after.get()));
    EXPECT_EQ(days, 100);
    // With a new key.
    ASSERT_TRUE(renew(folder_.path(), folder_ / "devices/plant_dev7.crt", {0, true}));
    EXPECT_TRUE(shake_hands(server({}).get(), device().get()).done);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "devices"), {}), 2);
}

TEST_F(Authorities, RenewalRefusesWhatItShould) {
    ASSERT_TRUE(revoke(folder_.path(), {{}, "plant/dev7", {}}));
    EXPECT_THAT(renew(folder_.path(), folder_ / "devices/plant_dev7.crt").error().message,
                HasSubstr("is revoked"));
    EXPECT_THAT(renew(folder_.path(), folder_ / "ca.crt").error().message, HasSubstr("a CA's own"));
    Folder other;
    ASSERT_TRUE(init_ca(other.path()));
    EXPECT_THAT(renew(other.path(), folder_ / "server.crt").error().message,
                HasSubstr("was not issued by the CA"));
}

TEST_F(Authorities, TheListSaysWhatStands) {
    const std::int64_t now = ::time(nullptr);
    IssueOptions short_lived;
    short_lived.days = 1;
    short_lived.backdate_s = 10 * 86'400;
    ASSERT_TRUE(issue_device(folder_.path(), "gone\tby\n now", short_lived));
    ASSERT_TRUE(renew(folder_.path(), folder_ / "server.crt", {2000, false}));
    ASSERT_TRUE(revoke(folder_.path(), {{}, "plant/dev7", {}}));
    EXPECT_NE(standing_of("gone\tby\n now", Standing::kExpired), "");
    EXPECT_NE(standing_of("localhost", Standing::kReplaced), "");
    EXPECT_NE(standing_of("localhost", Standing::kValid), "");
    EXPECT_NE(standing_of("plant/dev7", Standing::kRevoked), "");
    const auto listed = list_certificates(folder_.path(), now);
    EXPECT_EQ(listed->at(0).kind, "ca");
    EXPECT_EQ(listed->at(1).kind, "crl");
    EXPECT_EQ(listed->at(2).kind, "server");
    // A crash has torn the last line.
    spill(folder_ / "issued.tsv", slurp(folder_ / "issued.tsv") + "0123\t99");
    EXPECT_EQ(list_certificates(folder_.path(), now)->size(), listed->size());
}

TEST_F(Authorities, AKeyThatOthersMayReadIsRefused) {
    for (const unsigned mode : {0640U, 0604U, 0620U}) {
        ASSERT_EQ(::chmod((folder_ / "ca.key").c_str(), mode), 0);
        EXPECT_THAT(issue_device(folder_.path(), "d").error().message, HasSubstr("chmod 600"));
    }
    ASSERT_EQ(::chmod((folder_ / "ca.key").c_str(), 0400), 0);
    EXPECT_TRUE(issue_device(folder_.path(), "d"));
    ASSERT_EQ(::chmod((folder_ / "server.key").c_str(), 0644), 0);
    EXPECT_FALSE(make_server_context({folder_ / "server.crt", folder_ / "server.key"}));
}

}  // namespace
}  // namespace causeway::certs
