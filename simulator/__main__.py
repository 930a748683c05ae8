from simulator.process import main

main()
