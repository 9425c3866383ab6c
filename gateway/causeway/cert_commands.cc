#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "certs/issue.h"
#include "gateway/causeway/commands.h"

namespace causeway::root {
namespace {

constexpr int kExitNo = 1;
constexpr int kExitUsage = 2;
constexpr std::int64_t kDayS = 86'400;

struct CertArguments {
    std::string dir = "data/certs";
    std::string parent;
    std::string ca_name;
    std::string name;
    std::vector<std::string> names;
    std::string device;
    std::string file;
    std::string out;
    certs::RevokeTarget target;
    certs::RevokeOptions revocation;
    std::string key = "ec";
    int path_length = 1;
    int days = 0;
    int expires_within = -1;
    bool new_key = false;
    bool all = false;
    bool force = false;
    bool json = false;
};
using Arguments = std::shared_ptr<CertArguments>;

int refuse(const Error& error) {
    std::cerr << error.message << "\n";
    return kExitUsage;
}

int show(const Result<certs::IssuedFiles>& issued, bool json) {
    if (!issued) {
        return refuse(issued.error());
    }
    if (json) {
        std::cout << nlohmann::json{{"certificate", issued->certificate},
                                    {"private_key", issued->private_key}}
                         .dump()
                  << "\n";
    } else {
        std::cout << issued->certificate << "\n" << issued->private_key << "\n";
    }
    return 0;
}

certs::KeyKind key_kind(const CertArguments& arguments) {
    return arguments.key == "ed25519" ? certs::KeyKind::kEd25519
           : arguments.key == "rsa"   ? certs::KeyKind::kRsa
                                      : certs::KeyKind::kEcP256;
}

certs::IssueOptions issue_options(const CertArguments& arguments) {
    certs::IssueOptions options;
    options.days = arguments.days != 0 ? arguments.days : options.days;
    options.force = arguments.force;
    options.key = key_kind(arguments);
    return options;
}

certs::CaOptions ca_options(const CertArguments& arguments) {
    certs::CaOptions options;
    options.common_name = arguments.ca_name.empty() ? options.common_name : arguments.ca_name;
    options.days = arguments.days != 0 ? arguments.days : options.days;
    options.force = arguments.force;
    options.key = key_kind(arguments);
    options.path_length = arguments.path_length;
    return options;
}

std::string date_of(std::int64_t seconds) {
    const auto time = static_cast<std::time_t>(seconds);
    std::tm parts{};
    char text[32] = {};
    ::gmtime_r(&time, &parts);
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

const char* word_of(certs::Standing standing) {
    constexpr const char* kWords[] = {"valid", "expired", "revoked", "replaced"};
    return kWords[static_cast<std::size_t>(standing)];
}

bool ends_within(const certs::Listed& one, int days, std::int64_t now) {
    const bool counts = one.standing == certs::Standing::kValid ||
                        one.standing == certs::Standing::kExpired;
    return counts && one.not_after < now + days * kDayS;
}

Result<std::vector<certs::Listed>> listed_of(const CertArguments& arguments, std::int64_t now) {
    if (arguments.names.empty()) {
        return certs::list_certificates(arguments.dir, now);
    }
    std::vector<certs::Listed> all;
    for (const std::string& file : arguments.names) {
        auto more = certs::list_file(file, now);
        if (!more) {
            return more;
        }
        all.insert(all.end(), more->begin(), more->end());
    }
    return all;
}

// 1: something ends within the days asked about.
int list(const CertArguments& arguments) {
    const std::int64_t now = ::time(nullptr);
    const auto listed = listed_of(arguments, now);
    if (!listed) {
        return refuse(listed.error());
    }
    const bool asked = arguments.expires_within >= 0;
    bool due = false;
    nlohmann::json rows = nlohmann::json::array();
    for (const certs::Listed& one : *listed) {
        const bool ends = asked && ends_within(one, arguments.expires_within, now);
        due = due || ends;
        if (!arguments.all && (asked ? !ends : one.standing != certs::Standing::kValid)) {
            continue;
        }
        if (arguments.json) {
            rows.push_back({{"serial", one.serial},
                            {"not_after", date_of(one.not_after)},
                            {"kind", one.kind},
                            {"name", one.name},
                            {"state", word_of(one.standing)}});
        } else {
            std::printf("%s  %-8s  %-8s  %-32s  %s\n", date_of(one.not_after).c_str(),
                        word_of(one.standing), one.kind.c_str(), one.serial.c_str(),
                        one.name.c_str());
        }
    }
    if (arguments.json) {
        // A name is whatever someone put into a request.
        std::cout << rows.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    }
    return due ? kExitNo : 0;
}

int revoke(const CertArguments& arguments) {
    const auto revoked = certs::revoke(arguments.dir, arguments.target, arguments.revocation);
    if (!revoked) {
        return refuse(revoked.error());
    }
    if (arguments.json) {
        std::cout << nlohmann::json{{"revoked", *revoked}, {"crl", arguments.dir + "/ca.crl"}}.dump()
                  << "\n";
        return 0;
    }
    for (const std::string& serial : *revoked) {
        std::cout << serial << "\n";
    }
    std::cerr << revoked->size() << " revoked; the list is " << arguments.dir << "/ca.crl\n";
    return 0;
}

int sign_request(const CertArguments& arguments) {
    std::ifstream in(arguments.file, std::ios::binary);
    const std::string request((std::istreambuf_iterator<char>(in)), {});
    if (!in.is_open()) {
        return refuse(Error{arguments.file + ": cannot be read"});
    }
    const auto certificate =
        certs::sign_csr(arguments.dir, request, arguments.device, issue_options(arguments));
    if (!certificate) {
        return refuse(certificate.error());
    }
    if (arguments.out.empty()) {
        std::cout << *certificate;
        return 0;
    }
    std::ofstream out(arguments.out, std::ios::binary);
    out << *certificate;
    out.close();
    return out ? 0 : refuse(Error{arguments.out + ": cannot be written"});
}

// --- the subcommands -----------------------------------------------------------------------------

CLI::App* add_command(CLI::App* cert, const Arguments& arguments, const char* name,
                      const char* what) {
    CLI::App* command = cert->add_subcommand(name, what);
    command->add_option("--dir", arguments->dir,
                        "Folder of the CA and what it signs [data/certs]");
    command->add_flag("--json", arguments->json, "Print the result as JSON");
    return command;
}

void add_issue_options(CLI::App* command, const Arguments& arguments) {
    command->add_option("--days", arguments->days, "Days the certificate is valid")
        ->check(CLI::Range(1, 36500));
    command->add_option("--key", arguments->key, "Kind of key: ec (P-256), ed25519, rsa (2048) [ec]")
        ->check(CLI::IsMember({"ec", "ed25519", "rsa"}));
    command->add_flag("--force", arguments->force, "Replace what is there");
}

void add_authorities(CLI::App* cert, const Arguments& arguments, int& exit_code) {
    CLI::App* init = add_command(cert, arguments, "init", "Make a CA: ca.crt and ca.key");
    add_issue_options(init, arguments);
    init->add_option("--name", arguments->ca_name, "The CA's name");
    init->add_option("--path-length", arguments->path_length,
                     "How many intermediate CAs may follow each other below it [1]")
        ->check(CLI::Range(0, 8));
    init->callback([arguments, &exit_code] {
        exit_code =
            show(certs::init_ca(arguments->dir, ca_options(*arguments)), arguments->json);
    });

    CLI::App* intermediate =
        add_command(cert, arguments, "init-intermediate",
                    "Make a CA that another one signs: ca.crt, ca.key and chain.crt");
    add_issue_options(intermediate, arguments);
    intermediate->add_option("--parent", arguments->parent, "Folder of the CA that signs it")
        ->required();
    intermediate->add_option("--name", arguments->ca_name, "The CA's name")->required();
    intermediate->callback([arguments, &exit_code] {
        exit_code = show(certs::init_intermediate(arguments->dir, arguments->parent,
                                                  ca_options(*arguments)),
                         arguments->json);
    });
}

void add_issue(CLI::App* cert, const Arguments& arguments, int& exit_code) {
    CLI::App* server =
        add_command(cert, arguments, "issue-server", "Make server.crt and server.key");
    add_issue_options(server, arguments);
    server->add_option("--name", arguments->names, "DNS name or IP address; may be repeated")
        ->required();
    server->callback([arguments, &exit_code] {
        exit_code =
            show(certs::issue_server(arguments->dir, arguments->names, issue_options(*arguments)),
                 arguments->json);
    });

    CLI::App* node =
        add_command(cert, arguments, "issue-node",
                    "Make nodes/NAME.crt and nodes/NAME.key, for a node towards other nodes");
    add_issue_options(node, arguments);
    node->add_option("--name", arguments->name, "The node's name; its certificate's CN is node:NAME")
        ->required();
    node->add_option("--host", arguments->names,
                     "DNS name or IP address to put in as well; may be repeated");
    node->footer(
        "Example:\n  causeway cert issue-node --name n1 --host n1.example --host 192.0.2.11");
    node->callback([arguments, &exit_code] {
        exit_code = show(certs::issue_node(arguments->dir, arguments->name, arguments->names,
                                           issue_options(*arguments)),
                         arguments->json);
    });

    CLI::App* device =
        add_command(cert, arguments, "issue-device", "Make devices/ID.crt and devices/ID.key");
    add_issue_options(device, arguments);
    device->add_option("--id", arguments->device, "The device's identity, the certificate's CN")
        ->required();
    device->callback([arguments, &exit_code] {
        exit_code =
            show(certs::issue_device(arguments->dir, arguments->device, issue_options(*arguments)),
                 arguments->json);
    });

    CLI::App* person = add_command(cert, arguments, "issue-operator",
                                   "Make operators/NAME.crt and operators/NAME.key");
    add_issue_options(person, arguments);
    person->add_option("--name", arguments->name,
                       "The operator's name; the certificate's CN is operator:NAME")
        ->required();
    person->callback([arguments, &exit_code] {
        exit_code =
            show(certs::issue_operator(arguments->dir, arguments->name, issue_options(*arguments)),
                 arguments->json);
    });
}

void add_sign_and_renew(CLI::App* cert, const Arguments& arguments, int& exit_code) {
    CLI::App* sign = add_command(cert, arguments, "sign-csr",
                                 "Sign a device's request; prints the certificate and its chain");
    sign->add_option("--days", arguments->days, "Days the certificate is valid")
        ->check(CLI::Range(1, 36500));
    sign->add_option("--csr", arguments->file, "PEM file of the request")->required();
    sign->add_option("--id", arguments->device, "The device's identity; else the request's CN");
    sign->add_option("--out", arguments->out, "File to write instead");
    sign->callback([arguments, &exit_code] { exit_code = sign_request(*arguments); });

    CLI::App* renew = add_command(cert, arguments, "renew",
                                  "Replace a certificate by one that says the same, from now on");
    renew->add_option("FILE", arguments->file, "The certificate; its key is beside it, as .key")
        ->required();
    renew->add_option("--days", arguments->days, "Days it is valid [as long as the old one]")
        ->check(CLI::Range(1, 36500));
    renew->add_flag("--new-key", arguments->new_key, "Make a new key, too");
    renew->footer(
        "A running hub takes it up within 2 s. The old certificate stays valid: revoke it if its\n"
        "key may be known to others.\n"
        "Example:\n  causeway cert renew data/certs/server.crt");
    renew->callback([arguments, &exit_code] {
        exit_code = show(certs::renew(arguments->dir, arguments->file,
                                      {arguments->days, arguments->new_key, key_kind(*arguments)}),
                         arguments->json);
    });
}

void add_revoke(CLI::App* cert, const Arguments& arguments, int& exit_code) {
    CLI::App* revoked =
        add_command(cert, arguments, "revoke", "Revoke certificates for good, and write ca.crl");
    CLI::Option_group* target = revoked->add_option_group("what");
    target->add_option("--device,--name", arguments->target.name,
                       "Every certificate of this device, node, operator or server");
    target->add_option("--serial", arguments->target.serial, "The one with this serial number");
    target->add_option("--certificate", arguments->target.certificate_path, "The one in this file");
    target->require_option(1);
    revoked->add_option("--reason", arguments->revocation.reason,
                        "unspecified, keyCompromise, superseded, cessationOfOperation ... "
                        "[unspecified]");
    revoked->add_option("--crl-days", arguments->revocation.crl_days,
                        "Days until the list should be made anew [30]")
        ->check(CLI::Range(1, 3650));
    revoked->footer(
        "A running hub whose listeners name the list closes what is revoked within 5 s.\n"
        "Example:\n  causeway cert revoke --device plant/dev7 --reason keyCompromise");
    revoked->callback([arguments, &exit_code] { exit_code = revoke(*arguments); });

    CLI::App* crl = add_command(cert, arguments, "crl", "Write the revocation list, ca.crl, anew");
    crl->add_option("--crl-days", arguments->revocation.crl_days,
                    "Days until it should be made anew [30]")
        ->check(CLI::Range(1, 3650));
    crl->callback([arguments, &exit_code] {
        const auto written = certs::write_crl(arguments->dir, arguments->revocation.crl_days);
        exit_code = written ? 0 : refuse(written.error());
        if (written) {
            std::cout << *written << "\n";
        }
    });
}

void add_list(CLI::App* cert, const Arguments& arguments, int& exit_code) {
    CLI::App* listed = add_command(
        cert, arguments, "list", "What the CA has issued, and until when; or what files hold");
    listed->add_option("FILE", arguments->names, "PEM files to look at instead, of whatever CA");
    listed->add_option("--expires-within", arguments->expires_within,
                       "Only what ends within so many days; exit status 1 if there is any")
        ->check(CLI::Range(0, 36500));
    listed->add_flag("--all", arguments->all, "Also what is revoked, replaced or expired");
    listed->footer(
        "What has a newer certificate of the same name is \"replaced\" and does not count.\n"
        "Example, for a timer:\n  causeway cert list --expires-within 30 || mail -s renew ops");
    listed->callback([arguments, &exit_code] { exit_code = list(*arguments); });
}

}  // namespace

void add_cert_commands(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<CertArguments>();
    CLI::App* cert = app.add_subcommand("cert", "Make, renew, revoke and list certificates");
    cert->require_subcommand(1);
    cert->footer(
        "Examples:\n"
        "  causeway cert init --dir data/certs\n"
        "  causeway cert issue-server --dir data/certs --name localhost --name 127.0.0.1\n"
        "  causeway cert issue-device --dir data/certs --id plant/dev7\n"
        "  causeway cert issue-node --dir data/certs --name n1 --host 192.0.2.11\n"
        "  causeway cert revoke --dir data/certs --device plant/dev7\n"
        "  causeway cert list --dir data/certs --expires-within 30");
    add_authorities(cert, arguments, exit_code);
    add_issue(cert, arguments, exit_code);
    add_sign_and_renew(cert, arguments, exit_code);
    add_revoke(cert, arguments, exit_code);
    add_list(cert, arguments, exit_code);
}

}  // namespace causeway::root
