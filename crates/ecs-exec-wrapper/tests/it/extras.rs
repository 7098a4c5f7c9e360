//! The words that open nothing: `config show`, `man`, and completion.

use crate::harness::{Setting, WRAPPER};
use std::process::{Command, Output};

fn run(setting: &Setting, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(WRAPPER);
    command.env_clear().envs(setting.environment()).envs(variables.iter().copied()).args(arguments).output().unwrap()
}

#[track_caller]
fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn each_setting_is_shown_with_its_origin_and_no_secret() {
    let setting = Setting::rosa();
    let folder = setting.home.path().join("config/ecs-exec-wrapper");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "cluster = \"of-file\"\ndefault_user = \"of-file\"\nmark_commands = true")
        .unwrap();
    let arguments = ["config", "show", "--user", "of-flag", "--env", "NAME=hunter2", "--allow-env-in-cloudtrail"];
    let shown = text(&run(&setting, &arguments, &[("ECS_EXEC_REGION", "eu-west-1")]));
    let row = |name: &str| shown.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default().to_owned();
    let words = |name: &str| row(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words("user"), ["user", "of-flag", "flag"]);
    assert_eq!(words("region"), ["region", "eu-west-1", "ECS_EXEC_REGION"]);
    assert_eq!(words("via"), ["via", "boundary", "default"]);
    assert!(row("cluster").contains("of-file") && row("cluster").ends_with("config.toml"), "{shown}");
    assert_eq!(words("mark-commands")[1], "true");
    assert!(row("env").contains("NAME") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(run(&setting, &["config"], &[]).status.code(), Some(64));
}

#[test]
fn the_manual_pages_are_manual_pages() {
    let setting = Setting::rosa();
    for (page, holds) in [(&["man"][..], "reconnect"), (&["man", "connect"], "TARGET|ALIAS")] {
        let page = text(&run(&setting, page, &[]));
        assert!(page.starts_with(".ie") && page.contains(".SH NAME") && page.contains(holds), "{page}");
    }
}

#[test]
fn a_shell_completes_flags_tasks_investigations_and_aliases() {
    let setting = Setting::rosa();
    setting.world.set_task(&setting.task_id(), |task| {
        task.tags.insert("investigation_id".to_owned(), "inv-4711".to_owned());
    });
    let complete = |words: &[&str]| {
        let index = (words.len() - 1).to_string();
        let arguments = [&["--"], words].concat();
        let boundary = setting.world.boundary_environment();
        let mut variables = vec![("COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", &index), ("_CLAP_IFS", "\n")];
        variables.extend(boundary.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        text(&run(&setting, &arguments, &variables))
    };
    assert!(complete(&["ecs-exec-wrapper", "--reconn"]).contains("--reconnect-timeout"));
    let task = setting.task_id();
    assert!(complete(&["ecs-exec-wrapper", setting.world.cluster(), &task[..4]]).contains(&task));
    let by_tag = complete(&["ecs-exec-wrapper", "--cluster", setting.world.cluster(), "--investigation-id", "inv"]);
    assert!(by_tag.contains("inv-4711"), "{by_tag}");
    let aliases = complete(&["ecs-exec-wrapper", "connect", "inv"]);
    assert!(aliases.contains("inv-lab.rosa"), "{aliases}");
    let registered = text(&run(&setting, &[], &[("COMPLETE", "zsh")]));
    assert!(registered.contains("ecs-exec-wrapper"), "{registered}");
}
