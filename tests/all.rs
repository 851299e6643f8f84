//! The one end-to-end test binary.

mod cases;
mod edges;
mod tidy;
mod manual {
    #[test]
    #[ignore]
    fn manual() {
        let g = sallyport_tests::harness::Gateway::start();
        println!(
            "{} {} {} {}",
            g.ssh_port,
            g.api_port,
            g.dir().display(),
            g.pid()
        );
        std::fs::write("/tmp/spt/cmd", g.ssh("alice+web").command_line()).unwrap();
        std::fs::write("/tmp/spt/dir", g.dir().display().to_string()).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(600));
    }
}
