//! The first minutes: init, run, list, show.

use crate::runner::Folder;

#[test]
fn a_new_workspace_works_out_of_the_box() {
    let folder = Folder::new();
    let made = folder.karat(&["init"]).expect(0);
    for name in made.stdout.lines() {
        assert!(folder.path(name).is_file(), "{name} was named but not made");
    }
    assert_eq!(made.stdout.lines().count(), 5, "{made}");
    let ran = folder.karat(&["run", "example"]).expect(0);
    assert!(ran.stdout.contains("obvious") && ran.stdout.contains("PASS"), "{ran}");
    insta::assert_snapshot!("list", folder.stable(&folder.karat(&["list"]).expect(0).stdout));
    insta::assert_snapshot!("show", folder.stable(&folder.karat(&["show", "example"]).expect(0).stdout));

    let list = folder.karat(&["list", "--format", "json"]).expect(0).json();
    assert_eq!(list["schema"], "karat.list/1");
    let run = list["runs"][0]["run_id"].as_str().unwrap();
    assert_eq!(list["runs"][0]["finished"], true);
    let shown = folder.karat(&["show", &run[..13], "--format", "json"]).expect(0).json();
    assert_eq!(shown["quality"]["runs"][0]["run_id"], run);
    assert_eq!(shown["quality"]["runs"][0]["outcomes"]["scored"], 24);
}

#[test]
fn a_second_init_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    folder.karat(&["init", "evals"]).expect(0);
    folder.write("evals/karat.yaml", "# mine\n");
    folder.karat(&["init", "evals"]).expect(3).tells(&["evals is already a workspace", "hint: "]);
    assert_eq!(folder.read("evals/karat.yaml"), "# mine\n");
}

#[test]
fn a_workspace_is_found_from_a_folder_below_it_and_by_name() {
    let folder = Folder::new();
    folder.karat(&["init", "evals"]).expect(0);
    folder.write("evals/deep/down/note.txt", "");
    let mut below = folder.command(&["list", "--format", "json"]);
    below.current_dir(folder.path("evals/deep/down"));
    assert_eq!(folder.finish(below).expect(0).json()["datasets"][0], "example");
    assert_eq!(folder.karat(&["-C", "evals", "list", "--format", "json"]).expect(0).json()["suites"][0], "example");
}

#[test]
fn schemas_are_json_and_completions_are_printed() {
    let folder = Folder::new();
    for kind in ["workspace", "suite", "dataset"] {
        let schema = folder.karat(&["schema", kind]).expect(0).json();
        assert_eq!(schema["additionalProperties"], false, "{kind}: unknown keys are errors");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(folder.karat(&["completions", shell]).expect(0).stdout.contains("karat"), "{shell}");
    }
    assert!(folder.karat(&["--help"]).expect(0).stdout.contains("Exit codes"));
    assert!(folder.karat(&["--version"]).expect(0).stdout.starts_with("karat "));
}
