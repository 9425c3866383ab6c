// `causeway completion bash|zsh|fish`: a script that knows every subcommand and option, made from
// the command line's own description, so that it cannot be behind it.
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "gateway/causeway/commands.h"

namespace causeway::root {
namespace {

struct Words {
    std::string path;  // "rules check"
    std::vector<std::string> words;
};

void collect(const CLI::App& app, const std::string& path, std::vector<Words>& out) {
    Words here{path, {}};
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        here.words.push_back(sub->get_name());
    }
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            here.words.push_back("--" + name);
        }
    }
    std::sort(here.words.begin(), here.words.end());
    out.push_back(std::move(here));
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), out);
    }
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) {
        out += (out.empty() ? "" : " ") + word;
    }
    return out;
}

// The words that are subcommands decide; files are completed beside the options.
std::string bash_script(const std::vector<Words>& all) {
    std::string out =
        "# bash completion of causeway: eval \"$(causeway completion bash)\"\n"
        "_causeway() {\n"
        "    local path=\"\" word words=\"\"\n"
        "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
        "        case \"$path $word\" in\n";
    for (const Words& one : all) {
        if (!one.path.empty()) {
            out += "            \" " + one.path + "\") path=\" " + one.path + "\" ;;\n";
        }
    }
    out +=
        "        esac\n"
        "    done\n"
        "    case \"$path\" in\n";
    for (const Words& one : all) {
        out += "        \"" + std::string(one.path.empty() ? "" : " ") + one.path + "\") words=\"" +
               joined(one.words) + "\" ;;\n";
    }
    out +=
        "    esac\n"
        "    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
        "}\n"
        "complete -o default -F _causeway causeway\n";
    return out;
}

std::string fish_script(const std::vector<Words>& all) {
    std::string out = "# fish completion of causeway: causeway completion fish | source\n";
    for (const Words& one : all) {
        std::string condition = "__fish_use_subcommand";
        if (!one.path.empty()) {
            condition = "string match -q -- 'causeway " + one.path + "*' (commandline -cp)";
        }
        for (const std::string& word : one.words) {
            const bool option = word.starts_with("--");
            out += "complete -c causeway -n \"" + condition + "\" " +
                   (option ? "-l " + word.substr(2) : "-a " + word) + "\n";
        }
    }
    return out;
}

}  // namespace

void add_completion_command(CLI::App& app, int& exit_code) {
    auto shell = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("completion", "Print a completion script for a shell");
    command->add_option("SHELL", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->footer("Example: eval \"$(causeway completion bash)\"");
    command->callback([&app, shell, &exit_code] {
        std::vector<Words> all;
        collect(app, "", all);
        if (*shell == "fish") {
            std::cout << fish_script(all);
        } else {
            // zsh reads the script of bash with its own emulation.
            std::cout << (*shell == "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : "")
                      << bash_script(all);
        }
        exit_code = 0;
    });
}

}  // namespace causeway::root
